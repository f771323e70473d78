"""The source ``file``: a file of this host, such as an image archive from elsewhere."""

import json
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from provisioner.artifacts.sources.base import Description, Source
from provisioner.artifacts.store import content_key, sha256
from provisioner.catalog.model import Build
from provisioner.errors import SpecError
from provisioner.model import Tell

FILE = "file"
"""The name that a file has in its entry of the store."""


class FileBuild(Build):
    """A file of this host. Without path and checksum it is one that a spec has to give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["file"]
    path: Path | None = None
    sha256: str = ""


def _refuse(name: str, path: Path | None, why: str, hint: str) -> SpecError:
    return SpecError(f"artifacts.overrides.artifacts_builds.{name}.path: {path}", why, hint)


def check_file(name: str, build: FileBuild) -> Path:
    """The path of a file that is there and has the sum that the spec gives.

    Raises:
        SpecError: it is not.
    """
    if build.path is None or not build.path.is_file():
        raise _refuse(name, build.path, "There is no such file.", "Give the path of a file here.")
    found = sha256(build.path)
    if found != build.sha256:
        why = f"Its SHA-256 is {found}, and the spec says {build.sha256}."
        raise _refuse(name, build.path, why, "Bring the right file, or give the sum that is true.")
    return build.path


def check_archive(name: str, archive: Path, reference: str) -> None:
    """See that ``archive`` is one of ``docker save``, and holds the image ``reference``.

    Raises:
        SpecError: it is another file, or has another image or another name.
    """
    hint = f"Make it where the image is: docker save --output FILE {reference}"
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            names = [tag for image in json.load(member) for tag in image["RepoTags"]]  # type: ignore[arg-type]
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError) as error:
        raise _refuse(name, archive, f"It is no image archive: {error}", hint) from None
    if reference not in names:
        why = f"It holds {', '.join(names) or 'no named image'}, and not {reference}."
        raise _refuse(name, archive, why, hint)


class FileSource(Source[FileBuild]):
    """Copies a file of this host."""

    word: ClassVar[str] = "file"
    model: ClassVar[type[Build]] = FileBuild

    @property
    def key(self) -> str:
        """By the sum alone: a file is what its sum says, wherever it lies."""
        suite = self.workshop.catalog.machine_root.suite
        return content_key(self.build.model_dump(exclude={"path"}), "", suite)

    @property
    def room(self) -> int:
        """Some 300 MiB."""
        return 300

    def describe(self) -> list[Description]:
        """The path."""
        digest = f"sha256 {self.build.sha256[:12]}"
        return [Description("file", self.name, digest, str(self.build.path))]

    def make(self, into: Path, tell: Tell) -> None:  # noqa: ARG002
        """Copy it.

        Raises:
            SpecError: as ``check_file``.
        """
        shutil.copyfile(check_file(self.name, self.build), into / FILE)

    def is_given(self) -> bool:
        """Whether a spec gave path and sum."""
        return bool(self.build.path and self.build.sha256)

    def check(self, references: Collection[str]) -> None:
        """Look at the file, and whether it is an archive of each image that is taken from it.

        Raises:
            SpecError: it is not there, has another sum, or is of another image.
        """
        path = check_file(self.name, self.build)
        for reference in references:
            check_archive(self.name, path, reference)

    def check_member(self, file: Path, reference: str) -> None:
        """Look whether the copy is an archive of the image ``reference``.

        Raises:
            SpecError: as ``check_archive``.
        """
        check_archive(self.name, file, reference)
