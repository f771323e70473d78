"""The source ``file``: a file on this host, such as an image archive from another host."""

import json
import shutil
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from provisioner.artifacts.image_names import short
from provisioner.artifacts.sources.base import Description, Source
from provisioner.artifacts.store import content_key, sha256
from provisioner.catalog.model import Build
from provisioner.errors import SpecError
from provisioner.model import Tell

MANIFEST_BYTES = 1 << 20
# What reading an archive that is none can raise; a deep JSON is the last.
NO_ARCHIVE = (OSError, EOFError, zlib.error, KeyError, TypeError, ValueError, RecursionError)
FILE = "file"
"""The file's name in its store entry."""


class FileBuild(Build):
    """A file on this host. If path and checksum are empty, a spec has to give them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["file"]
    path: Path | None = None
    sha256: str = ""


def _refuse(name: str, path: Path | None, why: str, hint: str) -> SpecError:
    return SpecError(f"artifacts.overrides.artifacts_builds.{name}.path: {path}", why, hint)


def check_file(name: str, build: FileBuild) -> Path:
    """The path of the build's file, after its checksum was verified.

    Raises:
        SpecError: the file does not exist, or has another SHA-256 than the spec.
    """
    if build.path is None or not build.path.is_file():
        raise _refuse(name, build.path, "There is no such file.", "Give the path of a file here.")
    found = sha256(build.path)
    if found != build.sha256:
        why = f"Its SHA-256 is {found}, and the spec says {build.sha256}."
        raise _refuse(name, build.path, why, "Provide the right file, or correct the checksum.")
    return build.path


def check_archive(name: str, archive: Path, reference: str) -> None:
    """Check that ``archive`` is from ``docker save`` and contains the image ``reference``.

    Raises:
        SpecError: it is not an image archive, or lacks that image.
    """
    hint = f"Create it on a host that has the image: docker save --output FILE {reference}"
    try:
        with tarfile.open(archive) as tar:
            member = tar.getmember("manifest.json")
            if not member.isfile() or member.size > MANIFEST_BYTES:
                raise ValueError("its manifest.json is no file, or larger than 1 MiB")
            content = json.load(tar.extractfile(member))  # type: ignore[arg-type]
            names = [tag for image in content for tag in image["RepoTags"] or ()]
    except (*NO_ARCHIVE, tarfile.TarError) as error:
        raise _refuse(name, archive, f"It is not an image archive: {error}", hint) from None
    if short(reference) not in map(short, names):
        why = f"It holds {', '.join(names) or 'no named image'}, and not {reference}."
        raise _refuse(name, archive, why, hint)


class FileSource(Source[FileBuild], word="file", model=FileBuild, mib=300):
    """Copies a file of this host."""

    @property
    def key(self) -> str:
        """The content key, from the checksum without the path: the path does not matter."""
        suite = self.workshop.catalog.machine_root.suite
        return content_key(self.build.model_dump(exclude={"path"}), "", suite)

    def describe(self) -> list[Description]:
        """The path."""
        digest = f"sha256 {self.build.sha256[:12]}"
        return [Description("file", self.name, digest, str(self.build.path))]

    def make(self, into: Path, tell: Tell) -> None:  # noqa: ARG002
        """Copy the file.

        Raises:
            SpecError: as ``check_file``.
        """
        shutil.copyfile(check_file(self.name, self.build), into / FILE)

    def is_given(self) -> bool:
        """Whether the spec gave the path and the checksum."""
        return bool(self.build.path and self.build.sha256)

    def check(self, references: Collection[str]) -> None:
        """Check the file, and that it contains every image of ``references``.

        Raises:
            SpecError: the file is missing, has another checksum, or lacks an image.
        """
        path = check_file(self.name, self.build)
        for reference in references:
            check_archive(self.name, path, reference)

    def check_member(self, file: Path, reference: str) -> None:
        """Check that the copy contains the image ``reference``.

        Raises:
            SpecError: as ``check_archive``.
        """
        check_archive(self.name, file, reference)
