"""Names in the catalogue that lead nowhere."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner.catalog.load import Bundle, Catalog


def dangling(catalog: "Catalog") -> Iterator[str]:
    """Names in the catalogue that lead nowhere, each with its key path."""
    for name, build in catalog.builds.items():
        toolchain = getattr(build, "toolchain", "")
        if toolchain and toolchain not in catalog.toolchains:
            yield f"artifacts_builds.{name}.toolchain: no toolchain {toolchain!r}"
        lock = getattr(build, "lock", "")
        if lock and lock not in catalog.python_locks:
            yield f"artifacts_builds.{name}.lock: no lock {lock!r}"
    for name, layer in catalog.layers.items():
        if layer.build not in catalog.builds:
            yield f"artifacts_layers.{name}.build: no build {layer.build!r}"
    tops = {"kubernetes": catalog.kubernetes, "cni": catalog.cni, "dashboards": catalog.dashboards}
    for top, bundles in tops.items():
        for key, bundle in bundles.items():
            yield from _dangling_in(catalog, bundle, f"artifacts_{top}.{key}")


def _dangling_in(catalog: "Catalog", bundle: "Bundle", where: str) -> Iterator[str]:
    files = {f"{where}.binaries": bundle.binaries, f"{where}.cni": bundle.cni}
    for group, images in (("images", bundle.images), ("control_plane", bundle.control_plane)):
        for name, image in images.items():
            files[f"{where}.{group}.{name}.files"] = image.files
            if image.archive:
                files[f"{where}.{group}.{name}"] = {"archive": image.archive}
            for layer in image.layers:
                if layer not in catalog.layers:
                    yield f"{where}.{group}.{name}.layers: no layer {layer!r}"
    for path, named in files.items():
        for name, file in named.items():
            if file.split("/")[0] not in {*catalog.builds, *catalog.upstream}:
                yield f"{path}.{name}: no build {file.split('/')[0]!r}"
