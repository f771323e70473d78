"""The manifest of an artifact set: the contract between kubelab and the roles.

Roles find components by kind and name, and images by name. They do not read the catalogue.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from provisioner.catalog.model import Catalog, Component
from provisioner.model import Artifact

FILE = "manifest.json"
SCHEMA = 1


def archive_of(on: str, image: str) -> str:
    """The path of an image's archive in a set; ``on`` is ``node`` or ``control-plane``."""
    return f"images/{on}/{image}.tar"


def _package(name: str, version: str) -> str:
    return f"{name}-{version}" if version else name


def describe(catalog: Catalog, component: Component) -> dict[str, Any]:
    """One component in the form that roles read."""
    images = {
        name: {
            "reference": catalog.reference(name, image),
            "tag": image.tag,
            "on": image.role,
            "archive": archive_of(image.role, name),
        }
        for name, image in component.images.items()
    }
    packages = {
        family: [_package(name, version) for name, version in wanted.items()]
        for family, wanted in component.packages.items()
    }
    kept = {"kind", "name", "version", "settings", "repositories", "requires", "conflicts"}
    return {
        **component.model_dump(include=kept),
        "files": list(component.files),
        "images": images,
        "packages": packages,
        "checks": [check.model_dump() for check in component.checks],
    }


def described(catalog: Catalog, components: Iterable[Component]) -> list[dict[str, Any]]:
    """Components in the form that roles read."""
    return [describe(catalog, component) for component in components]


def kubeadm_repository(catalog: Catalog, components: Iterable[Component]) -> str:
    """The repository of kubeadm's images, which kubeadm wants to be in one."""
    for component in components:
        image = component.images.get("kube-apiserver")
        if component.kind == "kubernetes" and image and image.repository:
            return image.repository.rpartition("/")[0]
    return catalog.image_repository


def manifest_text(
    catalog: Catalog, components: Iterable[Component], artifacts: Sequence[Artifact]
) -> str:
    """The text of ``manifest.json``."""
    rows = [{**vars(artifact), "path": str(artifact.path)} for artifact in artifacts]
    chosen = list(components)
    manifest = {
        "schema": SCHEMA,
        "repository": kubeadm_repository(catalog, chosen),
        "components": described(catalog, chosen),
        "artifacts": rows,
    }
    return json.dumps(manifest, indent=1)
