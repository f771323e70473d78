"""The catalogue: read from the defaults of the role ``artifacts``, with a spec's overrides."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.errors import SpecError
from provisioner.spec import Known

FILE = Path(__file__).resolve().parents[2] / "roles/artifacts/defaults/main/catalog.yml"


class Part(BaseModel):
    """A part of the catalogue; an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Toolchain(Part):
    """A Go toolchain: a folder of this host, or a module version."""

    path: Path | None = None
    version: str = ""


class MachineRoot(Part):
    """What debootstrap makes."""

    suite: str
    packages: list[str]
    disabled: list[str] = []


class HostPackages(Part):
    """Packages of this host: to build artifacts, and for each provider to run machines."""

    build: list[str] = []
    machine: list[str] = []
    vagrant: list[str] = []


class Box(MachineRoot):
    """A Vagrant box; a baked one has the packages ``baked`` too, and disables more services."""

    baked: list[str] = []
    baked_disabled: list[str] = []
    initramfs_modules: list[str]
    kernel_arguments: str
    disk_gib: int


class SourceBuild(Part):
    """Commands compiled from a source package of Debian."""

    source: Literal["debian-source"]
    package: str
    version: str
    kubernetes: str
    commit: str
    built: str
    toolchain: str
    import_path: str
    commands: list[str]
    pause: str
    vendor: dict[str, str] = {}


class PackageBuild(Part):
    """Binary packages of Debian, unpacked into one tree."""

    source: Literal["debian"]
    packages: list[str]


class GoBuild(Part):
    """A command of a Go module."""

    source: Literal["go"]
    module: str
    version: str
    toolchain: str
    command: str = "."
    stamp: str = ""
    omit: list[str] = []

    @property
    def program(self) -> str:
        """The name of the file that comes out."""
        return Path(self.module if self.command == "." else self.command).name


class FileBuild(Part):
    """A file of this host. Without path and checksum it is one that a spec has to give."""

    source: Literal["file"]
    path: Path | None = None
    sha256: str = ""


Build = Annotated[SourceBuild | PackageBuild | GoBuild | FileBuild, Field(discriminator="source")]


class Layer(Part):
    """A layer that images share: a build's tree, links in it, and busybox's own links."""

    build: str
    links: dict[str, str] = {}
    busybox: str = ""


class Image(Part):
    """A container image: shared layers below, files of builds on top; or an archive of it, whole.

    ``repository`` is empty for images of our own, which have the catalogue's.
    """

    tag: str
    repository: str = ""
    archive: str = ""
    layers: list[str] = []
    files: dict[str, str] = {}
    entrypoint: list[str] = []


class Bundle(Part):
    """What a version of Kubernetes, or a pod network, puts on nodes."""

    kubeadm_api: str = ""
    binaries: dict[str, str] = {}
    cni: dict[str, str] = {}
    images: dict[str, Image] = {}
    control_plane: dict[str, Image] = {}


class Catalog(Part):
    """The whole catalogue."""

    host_packages: dict[str, HostPackages] = Field(alias="artifacts_host_packages")
    image_repository: str = Field(alias="artifacts_image_repository")
    toolchains: dict[str, Toolchain] = Field(alias="artifacts_toolchains")
    machine_root: MachineRoot = Field(alias="artifacts_machine_root")
    boxes: dict[str, Box] = Field(alias="artifacts_boxes")
    builds: dict[str, Build] = Field(alias="artifacts_builds")
    layers: dict[str, Layer] = Field(alias="artifacts_layers")
    kubernetes: dict[str, Bundle] = Field(alias="artifacts_kubernetes")
    cni: dict[str, Bundle] = Field(alias="artifacts_cni")

    def known(self) -> Known:
        """What a spec may ask for."""
        wanting = {name: tuple(self._not_given(bundle)) for name, bundle in self.cni.items()}
        return Known(tuple(self.kubernetes), boxes=tuple(self.boxes), wanting=wanting)

    def _not_given(self, bundle: Bundle) -> Iterator[str]:
        """The builds of a bundle that are files, and that no spec has given yet."""
        for name in dict.fromkeys(builds_of(self, [bundle])):
            build = self.builds[name]
            if isinstance(build, FileBuild) and not (build.path and build.sha256):
                yield name

    def bundles(self, kubernetes: str, cni: str) -> list[Bundle]:
        """The bundles of a lab."""
        return [self.kubernetes[kubernetes], self.cni[cni]]

    def image(self, name: str, kubernetes: str, cni: str) -> str:
        """The full name of an image of a lab, like ``kubelab.local/pause:3.2``."""
        for bundle in self.bundles(kubernetes, cni):
            found = bundle.images.get(name) or bundle.control_plane.get(name)
            if found:
                return self.reference(name, found)
        raise KeyError(name)

    def reference(self, name: str, image: Image) -> str:
        """The full name of one image."""
        return f"{image.repository or f'{self.image_repository}/{name}'}:{image.tag}"


def builds_of(catalog: Catalog, bundles: list[Bundle]) -> Iterator[str]:
    """The names of the builds that bundles are made from; a name may come twice."""
    for bundle in bundles:
        for file in (*bundle.binaries.values(), *bundle.cni.values()):
            yield file.split("/")[0]
        for image in (*bundle.images.values(), *bundle.control_plane.values()):
            yield from (
                file.split("/")[0] for file in (image.archive, *image.files.values()) if file
            )
            yield from (catalog.layers[layer].build for layer in image.layers)


def _dangling(catalog: Catalog) -> Iterator[str]:
    """Names in the catalogue that lead nowhere, each with its key path."""
    for name, build in catalog.builds.items():
        if isinstance(build, PackageBuild | FileBuild):
            continue
        if build.toolchain not in catalog.toolchains:
            yield f"artifacts_builds.{name}.toolchain: no toolchain {build.toolchain!r}"
    for name, layer in catalog.layers.items():
        if layer.build not in catalog.builds:
            yield f"artifacts_layers.{name}.build: no build {layer.build!r}"
    for top, bundles in (("kubernetes", catalog.kubernetes), ("cni", catalog.cni)):
        for key, bundle in bundles.items():
            yield from _dangling_in(catalog, bundle, f"artifacts_{top}.{key}")


def _dangling_in(catalog: Catalog, bundle: Bundle, where: str) -> Iterator[str]:
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
            if file.split("/")[0] not in catalog.builds:
                yield f"{path}.{name}: no build {file.split('/')[0]!r}"


@cache
def _defaults() -> str:
    return FILE.read_text(encoding="utf-8")


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, Mapping)):
        return over
    keys = {**base, **over}
    return {k: _merged(base[k], over[k]) if k in base and k in over else keys[k] for k in keys}


def merged_keys(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The catalogue's keys that ``overrides`` touch, whole, as Ansible variables."""
    merged = _merged(yaml.safe_load(_defaults()), overrides)
    return {key: merged[key] for key in overrides}


def load_catalog(overrides: Mapping[str, Any]) -> Catalog:
    """Read the catalogue and lay ``overrides`` (its own keys, any depth) over it.

    Raises:
        SpecError: an override does not fit; names its key path.
    """
    data = _merged(yaml.safe_load(_defaults()), overrides)
    try:
        catalog = Catalog.model_validate(data)
        faults = list(_dangling(catalog))
    except ValidationError as bad:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors()]
    if faults:
        raise SpecError(
            "artifacts.overrides does not fit the catalogue",
            "\n".join(f"artifacts.overrides.{fault}" for fault in faults),
            f"The catalogue with all its keys is {FILE}.",
        )
    return catalog


def known_by(overrides: Mapping[str, Any]) -> Known:
    """What a spec with these overrides may ask for."""
    return load_catalog(overrides).known()
