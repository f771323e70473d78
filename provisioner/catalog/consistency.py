"""The catalogue's consistency: undefined references, wrong settings, components defined twice."""

from collections.abc import Iterator

from provisioner.catalog import settings
from provisioner.catalog.model import Catalog, Component, Variant, build_of

# The folders of an artifact set for a component's files. Roles read these folders.
FOLDERS = ("bin", "cni")


def faults_of(catalog: Catalog) -> Iterator[str]:
    """Undefined references, wrong settings and duplicate components, each with its key path."""
    for name, layer in catalog.layers.items():
        if layer.build not in catalog.builds:
            yield f"artifacts_layers.{name}.build: no build {layer.build!r}"
    seen: dict[tuple[str, str, str], str] = {}
    for key, component in catalog.components.items():
        yield from _faults_in(catalog, key, component)
        yield from _faults_in(catalog, f"{key}.upstream", component.upstream)
        yield from settings.faults_of(key, component)
        identity = (component.kind, component.name, component.version)
        if identity in seen:
            yield f"{key}: {' '.join(identity)} is already defined as {seen[identity]}"
        seen.setdefault(identity, key)


def _faults_in(catalog: Catalog, key: str, component: Component | Variant) -> Iterator[str]:
    builds = {*catalog.builds, *catalog.upstream}
    for path, file in component.files.items():
        folder, _, name = path.partition("/")
        if folder not in FOLDERS or not name or "/" in name or name.startswith("."):
            yield f"{key}.files.{path}: a file of a set is bin/NAME or cni/NAME"
        if build_of(file) not in builds:
            yield f"{key}.files.{path}: no build {build_of(file)!r}"
    for name, image in component.images.items():
        for layer in image.layers:
            if layer not in catalog.layers:
                yield f"{key}.images.{name}.layers: no layer {layer!r}"
        for path, file in {**image.files, **({"": image.archive} if image.archive else {})}.items():
            if build_of(file) not in builds:
                where = f"files.{path}" if path else "archive"
                yield f"{key}.images.{name}.{where}: no build {build_of(file)!r}"
