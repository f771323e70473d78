"""How an artifact may come to be: the kinds of entries in the catalogue's list of builds."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.artifacts.upstream import UpstreamBuild


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
