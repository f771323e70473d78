"""The base class of sources. A source makes the files of one build of the catalogue.

A new source is one module in this folder: a subclass of ``Source`` and a pydantic model of its
builds. The catalogue selects it by its word (``source: go``)::

    class GoSource(Source[GoBuild], word="go", model=GoBuild, mib=500, uses="build"):
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.image_lock import ImageLock, read_lock
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.store import content_key
from provisioner.catalog.model import Build, Catalog
from provisioner.model import Tell

SOURCES: dict[str, "type[Source[Any]]"] = {}
"""Every source, by its word in the catalogue."""


@dataclass(frozen=True)
class Workshop:
    """What sources work with: catalogue, cache folder, download route, and lock of images."""

    catalog: Catalog
    cache: Path
    route: DownloadRoute = field(default_factory=DownloadRoute)
    lock: ImageLock = field(default_factory=read_lock)


@dataclass(frozen=True)
class Description:
    """One input of a build, as ``plan`` shows it.

    ``sha256`` is None if no checksum is needed, and empty if a spec has to give it before ``up``.
    """

    kind: str
    name: str
    version: str
    origin: str
    sha256: str | None = None


BuildModel = TypeVar("BuildModel", bound=Build)


@dataclass(frozen=True)
class Source(ABC, Generic[BuildModel]):
    """One build of the catalogue, with the source that makes it."""

    name: str
    build: BuildModel
    workshop: Workshop

    # The source's word in the catalogue, the model of its builds, the disk space that a build takes
    # (measured, mostly compiler caches), and the group of host packages that it runs.
    word: ClassVar[str]
    model: ClassVar[type[Build]]
    mib: ClassVar[int]
    uses: ClassVar[str]

    def __init_subclass__(cls, word: str, model: type[Build], mib: int, uses: str = "") -> None:
        """Register the source under its word."""
        super().__init_subclass__()
        cls.word, cls.model, cls.mib, cls.uses = word, model, mib, uses
        SOURCES[word] = cls

    @property
    def key(self) -> str:
        """The content key of the entry; different content needs a different key."""
        suite = self.workshop.catalog.machine_root.suite
        return content_key(self.build.model_dump(), self.tools, suite)

    @property
    def tools(self) -> object:
        """The inputs that determine the content, in addition to the build (a JSON value)."""
        return ""

    @property
    def room(self) -> int:
        """Disk space in MiB that ``make`` takes."""
        return self.mib

    @abstractmethod
    def describe(self) -> list[Description]:
        """The inputs of the build, as ``plan`` shows them."""

    @abstractmethod
    def make(self, into: Path, tell: Tell) -> None:
        """Make the build's files in the empty folder ``into``.

        Raises:
            LabError: an input is not available, or a tool failed.
        """

    def addresses(self) -> list[str]:
        """The publishers' URLs that ``make`` downloads; ``doctor`` tests them first."""
        return []

    def pins(self) -> list[Pin]:
        """The images of registries that ``make`` fetches; ``plan`` and ``doctor`` ask for them."""
        return []

    def faults(self) -> Iterator[str]:
        """References of the build that the catalogue does not define, each with its key."""
        return iter(())

    def is_given(self) -> bool:
        """Whether the spec gave all inputs that the catalogue cannot have."""
        return True

    def check(self, references: Collection[str]) -> None:
        """Check the inputs that a spec gives, before anything is built.

        ``references`` are the images whose archives come from this build.

        Raises:
            SpecError: an input is not as the spec says.
        """
        del references

    def check_member(self, file: Path, reference: str) -> None:
        """Check a file of the finished entry that is a complete image archive.

        Raises:
            SpecError: it is not an image archive, or holds another image.
        """
        del file, reference
