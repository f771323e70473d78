"""Files of this host as artifacts: an image archive that somebody saved elsewhere, by its path."""

import json
import shutil
import tarfile
from pathlib import Path

from provisioner.artifacts.store import sha256
from provisioner.catalog.builds import FileBuild
from provisioner.catalog.load import Bundle, Catalog
from provisioner.errors import SpecError

FILE = "file"
"""The name that a file has in its entry of the store."""


def _refuse(name: str, path: Path | None, why: str, hint: str) -> SpecError:
    return SpecError(f"artifacts.overrides.artifacts_builds.{name}.path: {path}", why, hint)


def check(name: str, build: FileBuild) -> Path:
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


def take(name: str, build: FileBuild, into: Path) -> None:
    """Copy a file of this host to ``into``.

    Raises:
        SpecError: as ``check``.
    """
    shutil.copyfile(check(name, build), into)


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


def check_all(catalog: Catalog, bundles: list[Bundle]) -> None:
    """Check every file that bundles are made from, before anything is built from them.

    Raises:
        SpecError: of the first that is not right.
    """
    for bundle in bundles:
        for name, image in {**bundle.images, **bundle.control_plane}.items():
            source = image.archive.split("/")[0]
            build = catalog.builds.get(source)
            if isinstance(build, FileBuild):
                check_archive(source, check(source, build), catalog.reference(name, image))
