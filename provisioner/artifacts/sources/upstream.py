"""The source ``upstream``: files from their publishers or a mirror."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from provisioner.artifacts.download import refuse_unknown, take
from provisioner.artifacts.sources.base import Description, Source
from provisioner.catalog.model import Build, Download
from provisioner.model import Tell

FOLDER = "downloads"
"""The folder of the cache for downloads that are not whole yet."""


class UpstreamBuild(Build):
    """Files of a publisher's; an archive that is unpacked becomes a folder of its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["upstream"]
    version: str
    files: dict[str, Download]


class UpstreamSource(Source[UpstreamBuild]):
    """Downloads a publisher's files."""

    word: ClassVar[str] = "upstream"
    model: ClassVar[type[Build]] = UpstreamBuild

    @property
    def room(self) -> int:
        """Some 1000 MiB."""
        return 1000

    def describe(self) -> list[Description]:
        """Every file, with its address and its sum."""
        return [
            Description("file", f"{self.name}/{name}", self.build.version, file.url, file.sha256)
            for name, file in self.build.files.items()
        ]

    def make(self, into: Path, tell: Tell) -> None:
        """Download them.

        Raises:
            LabError: as ``take``.
        """
        shop = self.workshop
        take(self.build.files, shop.route, shop.cache / FOLDER, into, tell)

    def addresses(self) -> list[str]:
        """The addresses of its files."""
        return [file.url for file in self.build.files.values()]

    def faults(self) -> Iterator[str]:
        """Names of files that would lead out of the entry."""
        for name in self.build.files:
            if "/" in name or name.startswith("."):
                yield f"files.{name}: no name of a file: use letters, digits, '-', '_' and '.'"

    def check(self, references: Collection[str]) -> None:  # noqa: ARG002
        """See that every file has a sum.

        Raises:
            SpecError: names the key to give.
        """
        for name, file in self.build.files.items():
            refuse_unknown(f"artifacts_upstream.{self.name}.files.{name}", file)
