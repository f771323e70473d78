"""How an artifact may come to be: the kinds of entries in the catalogue's list of builds."""

import http.client
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SECONDS = 60.0


class Fetched(BaseModel):
    """A part of the catalogue; an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Download(Fetched):
    """A file and where it is. ``sums`` says where its publisher tells the SHA-256."""

    url: str
    sha256: str = ""
    sums: str = ""
    unpack: bool = False


class UpstreamBuild(Fetched):
    """Files of a publisher's; an archive that is unpacked becomes a folder of its name."""

    source: Literal["upstream"]
    version: str
    files: dict[str, Download]


class FetchedBox(Fetched):
    """A Vagrant box of somebody else's; ``os`` is what ``compat`` calls the system in it."""

    os: str
    name: str
    version: str
    file: Download


class Repository(Fetched):
    """A repository of signed packages, and the key that they are signed with."""

    file: str
    url: str
    key: str

    @property
    def index(self) -> str:
        """The URL of its list of packages, for x86-64 like all that the catalogue fetches."""
        return f"{self.url.replace('$basearch', 'x86_64').rstrip('/')}/repodata/repomd.xml"


class NodePackages(Fetched):
    """Where nodes of an operating system get packages, and the versions that they keep to."""

    repositories: dict[str, Repository]
    docker: dict[str, str]


@dataclass(frozen=True)
class Way:
    """How downloads leave this host: mirrors by the URL they stand for, and a proxy's URL."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""

    def urls(self, url: str) -> Iterator[str]:
        """Where to look for ``url``: mirrors first."""
        for origin, mirror in self.mirrors.items():
            if url.startswith(f"{origin}/"):
                yield mirror + url.removeprefix(origin)
        yield url

    def open(self, url: str, begin: int = 0, seconds: float = SECONDS) -> http.client.HTTPResponse:
        """Ask for ``url`` from byte ``begin`` on. Raises OSError where nobody answers in time."""
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
        # The catalogue has http and https alone; a spec's mirrors are checked to be one of them.
        request = urllib.request.Request(url)  # noqa: S310
        if begin:
            request.add_header("Range", f"bytes={begin}-")
        answer: http.client.HTTPResponse = opener.open(request, timeout=seconds)
        return answer


class Entry(BaseModel):
    """An entry of the catalogue; an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceBuild(Entry):
    """Commands compiled from a source package of Debian."""

    source: Literal["debian-source"]
    package: str
    version: str
    kubernetes: str
    commit: str
    built: str
    toolchain: str
    import_path: str
    commands: list[str]
    pause: str
    vendor: dict[str, str] = {}


class PackageBuild(Entry):
    """Binary packages of Debian, unpacked into one tree."""

    source: Literal["debian"]
    packages: list[str]


class GoBuild(Entry):
    """Commands of a Go module, and programs in C that lie in its tree.

    ``siblings`` is the version of the modules that its go.mod replaces by folders beside it.
    """

    source: Literal["go"]
    module: str
    version: str
    toolchain: str
    commands: list[str] = ["."]
    programs: dict[str, str] = {}
    siblings: str = ""
    stamps: dict[str, str] = {}
    omit: list[str] = []


class Wheel(Entry):
    """One file of PyPI."""

    version: str
    sha256: str


class PypiBuild(Entry):
    """The wheels of a lock, installed into ``folder`` for a Python and its platforms."""

    source: Literal["pypi"]
    lock: str
    python: str
    platforms: list[str]
    folder: str


class FileBuild(Entry):
    """A file of this host. Without path and checksum it is one that a spec has to give."""

    source: Literal["file"]
    path: Path | None = None
    sha256: str = ""


Build = Annotated[
    SourceBuild | PackageBuild | GoBuild | PypiBuild | FileBuild | UpstreamBuild,
    Field(discriminator="source"),
]
