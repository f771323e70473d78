"""The lock of images: the digests of tags whose publishers name none.

The file is for version control. A digest gets into it once, when a registry told it over TLS; a
tag that has another one later is refused.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from provisioner.artifacts.image_names import short
from provisioner.artifacts.registry import DIGEST
from provisioner.errors import LabError
from provisioner.spec import bounded_yaml

HEAD = """\
# Digests of images whose publishers name none, as their registries told them once. Commit it.
# `kubelab up` and `kubelab artifacts lock` add to it. A tag that has another one later is refused.
"""


def lock_file() -> Path:
    """The file: ``KUBELAB_IMAGE_LOCK``, or ``images.lock.yml`` in the project."""
    chosen = os.environ.get("KUBELAB_IMAGE_LOCK")
    project = Path(__file__).resolve().parents[2]
    return Path(chosen).resolve() if chosen else project / "images.lock.yml"


@dataclass(frozen=True)
class ImageLock:
    """The digests by the short names of images, and the file that has them."""

    file: Path
    digests: dict[str, str] = field(default_factory=dict)

    def digest(self, reference: str) -> str:
        """The digest of an image, or nothing."""
        return self.digests.get(short(reference), "")

    def keep(self, found: dict[str, str]) -> None:
        """Add digests, by the names of images, to the lock and to its file.

        Raises:
            LabError: the file cannot be written.
        """
        self.digests.update({short(reference): digest for reference, digest in found.items()})
        draft = self.file.with_name(f".{self.file.name}.new")
        try:
            draft.write_text(HEAD + yaml.safe_dump(self.digests), encoding="utf-8")
            draft.replace(self.file)
        except OSError as error:
            hint = "Set KUBELAB_IMAGE_LOCK to a file that you can write."
            raise LabError(
                f"{self.file}: cannot write the lock of images", str(error), hint
            ) from None


def read_lock() -> ImageLock:
    """The lock on disk; without a file it is empty.

    Raises:
        LabError: the file is not a mapping of names to digests.
    """
    file = lock_file()
    if not file.is_file():
        return ImageLock(file)
    try:
        found = bounded_yaml(file) or {}
        return ImageLock(file, {short(str(k)): _digest(v) for k, v in found.items()})
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        hint = "Correct it, or take the committed one: each line is `IMAGE:TAG: sha256:DIGEST`."
        raise LabError(f"{file}: not a lock of images", str(error), hint) from None


def _digest(value: object) -> str:
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise ValueError(f"not a digest: {value!r}")
    return value
