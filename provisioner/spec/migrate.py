"""Migration of specs of earlier versions to the current schema.

A spec without ``spec_version`` counts as version 1. That is safe, because a migration does not
change a spec that already has the current schema.
"""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.errors import SpecError
from provisioner.spec.shape import SPEC_VERSION

Data = dict[str, Any]
# In version 1 all components of a kind were under one key of the catalogue.
GROUPS = {
    "artifacts_kubernetes": "artifacts_kubernetes",
    "artifacts_cni": "artifacts_cni",
    "artifacts_dashboards": "artifacts_dashboard",
}

# Keys of a component in version 1 that other keys contain in version 2.
FOLDERS = {"binaries": "bin", "cni": "cni"}
SETTINGS = ("kubeadm_api", "cri")
MOVED = (*FOLDERS, *SETTINGS, "control_plane", "images")


def _component_key(group: str, name: str) -> str:
    return f"{GROUPS[group]}_{name.replace('.', '_').replace('-', '_')}"


def _component(part: Any) -> Any:
    """A component of version 1 in the keys of version 2."""
    if not isinstance(part, Mapping):
        return part
    found = {key: value for key, value in part.items() if key not in MOVED}
    files = {
        f"{folder}/{name}": file
        for key, folder in FOLDERS.items()
        for name, file in dict(part.get(key) or {}).items()
    }
    planes = dict(part.get("control_plane") or {})
    images = {**dict(part.get("images") or {})}
    images |= {name: {"role": "control-plane", **image} for name, image in planes.items()}
    settings = {key: part[key] for key in SETTINGS if key in part}
    more = {"files": files, "images": images, "settings": settings}
    return {**found, **{key: value for key, value in more.items() if value}}


def _renamed(overrides: Mapping[str, Any]) -> Data:
    """Overrides of version 1 under the catalogue's keys of version 2."""
    kept = {key: value for key, value in overrides.items() if key not in GROUPS}
    for group in GROUPS:
        parts = overrides.get(group)
        if isinstance(parts, Mapping):
            kept |= {_component_key(group, str(name)): _component(x) for name, x in parts.items()}
    return kept


def _to_version_2(data: Data) -> Data:
    artifacts = data.get("artifacts")
    if not isinstance(artifacts, Mapping) or not isinstance(artifacts.get("overrides"), Mapping):
        return data
    renamed = _renamed(artifacts["overrides"])
    return {**data, "artifacts": {**artifacts, "overrides": renamed}}


MIGRATIONS: Mapping[int, Callable[[Data], Data]] = {1: _to_version_2}
"""The function that migrates a spec from each version to the next."""


def migrated(data: Mapping[str, Any], source: str) -> Data:
    """The data of a spec in the current schema; ``source`` names the spec in messages.

    Raises:
        SpecError: a later kubelab wrote the spec, or its version is not a number.
    """
    found = dict(data)
    version = found.pop("spec_version", 1)
    if type(version) is not int or version < 1:
        raise SpecError(
            f"{source}: spec_version = {version!r}: not a version of a spec",
            "",
            f"Leave the key out, or write a number from 1 to {SPEC_VERSION}.",
        )
    if version > SPEC_VERSION:
        raise SpecError(
            f"{source}: spec_version = {version}: a later kubelab wrote this spec",
            f"This kubelab knows version {SPEC_VERSION} and older ones.",
            "Update kubelab, or use the kubelab that made the lab.",
        )
    for step in range(version, SPEC_VERSION):
        found = MIGRATIONS[step](found)
    return {"spec_version": SPEC_VERSION, **found}
