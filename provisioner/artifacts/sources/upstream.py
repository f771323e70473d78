"""The source ``upstream``: files of a publisher, from its own server or a mirror."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from provisioner.artifacts.download import refuse_unknown, take
from provisioner.artifacts.sources.base import Description, Source
from provisioner.catalog.model import Build, Download
from provisioner.model import Tell

FOLDER = "downloads"
"""The folder of the cache for incomplete downloads."""


class UpstreamBuild(Build):
    """Files of a publisher; an archive with ``unpack`` becomes a folder of its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["upstream"]
    version: str
    files: dict[str, Download]


class UpstreamSource(Source[UpstreamBuild], word="upstream", model=UpstreamBuild, mib=1000):
    """Downloads a publisher's files."""

    def describe(self) -> list[Description]:
        """Every file, with its URL and its SHA-256."""
        return [
            Description("file", f"{self.name}/{name}", self.build.version, file.url, file.sha256)
            for name, file in self.build.files.items()
        ]

    def make(self, into: Path, tell: Tell) -> None:
        """Download the files.

        Raises:
            LabError: as ``take``.
        """
        shop = self.workshop
        take(self.build.files, shop.route, shop.cache / FOLDER, into, tell)

    def addresses(self) -> list[str]:
        """The URLs of the files."""
        return [file.url for file in self.build.files.values()]

    def faults(self) -> Iterator[str]:
        """File names that would be outside the entry's folder."""
        for name in self.build.files:
            if "/" in name or name.startswith("."):
                yield f"files.{name}: not a file name: use letters, digits, '-', '_' and '.'"

    def check(self, references: Collection[str]) -> None:  # noqa: ARG002
        """Check that every file has a checksum.

        Raises:
            SpecError: a checksum is missing; names its key.
        """
        for name, file in self.build.files.items():
            refuse_unknown(f"artifacts_upstream.{self.name}.files.{name}", file)
