"""The record of a lab's artifacts: where in the cache they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import LabError

PATHS = ("folder", "machine_root", "box", "docker_store")
"""The single paths of an ``ArtifactRecord``."""


@dataclass(frozen=True)
class ArtifactRecord:
    """The artifacts of a lab, as paths in the cache. ``entries`` are folders of the store."""

    folder: Path
    machine_root: Path | None
    box: Path | None
    docker_store: Path | None = None
    entries: tuple[Path, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any], damaged: LabError) -> "ArtifactRecord":
        """The record that ``as_json`` described; raises ``damaged`` if it is none."""
        try:
            root, box, store = (Path(kept[key]) if kept[key] else None for key in PATHS[1:])
            return cls(Path(kept["folder"]), root, box, store, tuple(map(Path, kept["entries"])))
        except (KeyError, TypeError):
            raise damaged from None

    def as_json(self) -> dict[str, object]:
        """The record as a JSON object."""
        paths = {key: str(getattr(self, key) or "") for key in PATHS}
        return {**paths, "entries": sorted(map(str, self.entries))}

    @property
    def is_there(self) -> bool:
        """Whether the set, the root, the box and the docker store are still in the cache."""
        starts = (self.machine_root, self.box, self.docker_store)
        return self._manifest_file.is_file() and all(path.exists() for path in starts if path)

    @property
    def _manifest_file(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def _manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._manifest_file.read_text(encoding="utf-8"))
        return found

    @property
    def schema(self) -> int:
        """The schema of the manifest; 0 for sets of early versions of kubelab."""
        return int(self._manifest.get("schema", 0))

    @property
    def components(self) -> list[dict[str, Any]]:
        """The components in the set's manifest; none in schema 0."""
        return list(self._manifest.get("components", []))

    @property
    def image_sums(self) -> dict[str, str]:
        """The SHA-256 of each image's archive, by the image's name and tag."""
        artifacts = self._manifest["artifacts"]
        return {row["image"]: row["sha256"] for row in artifacts if row["kind"] == "image"}

    def image(self, *names: str) -> str:
        """The full reference of an image of the set: of the first of these names that it has.

        Raises:
            LabError: the set has no image of such a name.
        """
        artifacts = self._manifest["artifacts"]
        found = {row["name"]: str(row["image"]) for row in artifacts if row["kind"] == "image"}
        for name in names:
            if name in found:
                return found[name]
        raise LabError(
            f"the artifact set has no image {names[0]!r}",
            str(self.folder),
            "Run `kubelab up` again.",
        )
