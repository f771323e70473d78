"""What a source is: the way in which one build of the catalogue comes to be.

A new source is one file in this folder: a subclass of ``Source``, with a model of what its builds
have in the catalogue. The word in the catalogue (``source: go``) finds it.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.store import content_key
from provisioner.catalog.model import Build, Catalog
from provisioner.model import Tell

SOURCES: dict[str, "type[Source[Any]]"] = {}
"""Every source, by its word in the catalogue."""


@dataclass(frozen=True)
class Workshop:
    """What sources work with: the catalogue, the cache of this user, and the way to the web."""

    catalog: Catalog
    cache: Path
    route: DownloadRoute = field(default_factory=DownloadRoute)


@dataclass(frozen=True)
class Description:
    """One thing that a build is made of, for ``plan``.

    ``sha256`` is None where no sum is wanted, and empty where a spec has to give it before ``up``.
    """

    kind: str
    name: str
    version: str
    origin: str
    sha256: str | None = None


BuildModel = TypeVar("BuildModel", bound=Build)


@dataclass(frozen=True)
class Source(ABC, Generic[BuildModel]):
    """One build of the catalogue, read by the source that it names."""

    name: str
    build: BuildModel
    workshop: Workshop

    # The word in the catalogue, and what its builds have there.
    word: ClassVar[str]
    model: ClassVar[type[Build]]

    def __init_subclass__(cls) -> None:
        """Register the source under its word."""
        super().__init_subclass__()
        SOURCES[cls.word] = cls

    @property
    def key(self) -> str:
        """The content key of the entry; other contents need another key."""
        suite = self.workshop.catalog.machine_root.suite
        return content_key(self.build.model_dump(), self.tools, suite)

    @property
    def tools(self) -> object:
        """What else than the build decides about the content."""
        return ""

    @property
    @abstractmethod
    def room(self) -> int:
        """Disk space in MiB that making it takes, measured; most of it is what compilers keep."""

    @abstractmethod
    def describe(self) -> list[Description]:
        """What ``plan`` says of it."""

    @abstractmethod
    def make(self, into: Path, tell: Tell) -> None:
        """Make its files in an empty folder.

        Raises:
            LabError: what it needs cannot be had, or a tool failed.
        """

    def addresses(self) -> list[str]:
        """The URLs of publishers that ``make`` asks, for ``doctor`` to ask before."""
        return []

    def faults(self) -> Iterator[str]:
        """Names in the build that lead nowhere in the catalogue, each with its key."""
        return iter(())

    def is_given(self) -> bool:
        """Whether all is there that only a spec can give."""
        return True

    def check(self, references: Collection[str]) -> None:
        """Look at what a spec gives, before anything is built.

        ``references`` are the names of images that are taken from it whole.

        Raises:
            SpecError: it is not what the spec says.
        """
        del references

    def check_member(self, file: Path, reference: str) -> None:
        """Look at a file of the finished entry that is an image as a whole.

        Raises:
            SpecError: it is no image archive, or of another image.
        """
        del file, reference
