"""The catalogue: read from the defaults of the role ``artifacts``, with a spec's overrides."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.catalog.builds import (
    Build,
    FetchedBox,
    FileBuild,
    NodePackages,
    UpstreamBuild,
    Way,
    Wheel,
)
from provisioner.catalog.compat_facts import judge
from provisioner.catalog.consistency import dangling
from provisioner.errors import SpecError
from provisioner.spec import NO_DASHBOARD, Artifacts, Known

FILE = Path(__file__).resolve().parents[2] / "roles/artifacts/defaults/main/catalog.yml"
FILES = sorted(FILE.parent.glob("catalog*.yml"))


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
    """Packages of this host: to build artifacts, to run each provider's machines, for tests."""

    build: list[str] = []
    machine: list[str] = []
    vagrant: list[str] = []
    test: list[str] = []


class Box(MachineRoot):
    """A Vagrant box; a baked one has the packages ``baked`` too, and docker set up.

    ``guest`` is vagrant's name for the system in it, ``baked_daemon`` what is in daemon.json.
    """

    guest: str
    baked: list[str] = []
    baked_daemon: dict[str, Any] = {}
    initramfs_modules: list[str]
    kernel_arguments: str
    timer_slack_ms: int
    disk_gib: int


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
    """What a version of Kubernetes, a pod network, or a dashboard puts on nodes."""

    kubeadm_api: str = ""
    cri: str = "dockershim"
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
    boxes: dict[str, Box | FetchedBox] = Field(alias="artifacts_boxes")
    node_packages: dict[str, NodePackages] = Field(alias="artifacts_node_packages")
    builds: dict[str, Build] = Field(alias="artifacts_builds")
    upstream: dict[str, UpstreamBuild] = Field(alias="artifacts_upstream")
    layers: dict[str, Layer] = Field(alias="artifacts_layers")
    kubernetes: dict[str, Bundle] = Field(alias="artifacts_kubernetes")
    cni: dict[str, Bundle] = Field(alias="artifacts_cni")
    dashboards: dict[str, Bundle] = Field(alias="artifacts_dashboards")
    python_locks: dict[str, dict[str, Wheel]] = Field(alias="artifacts_python_locks")
    # Not the catalogue's: a spec says it.
    way: Way = Field(default=Way(), init=False, exclude=True)

    def known(self) -> Known:
        """What a spec may ask for."""
        wanting = {
            f"{key}.name": {name: tuple(self._not_given(bundle)) for name, bundle in group.items()}
            for key, group in (("cni", self.cni), ("dashboard", self.dashboards))
        }
        return Known(
            self.offered,
            boxes=tuple(self.boxes),
            wanting=wanting,
            judge=lambda spec: judge(self, spec),
        )

    @property
    def offered(self) -> tuple[str, ...]:
        """The versions of Kubernetes all of whose parts the chosen source has."""
        return tuple(
            version
            for version, bundle in self.kubernetes.items()
            if set(builds_of(self, [bundle])) <= set(self.builds)
        )

    def from_upstream(self) -> "Catalog":
        """The catalogue with a publisher's files wherever it names some, instead of a build."""
        return self.model_copy(update={"builds": {**self.builds, **self.upstream}})

    def by(self, way: Way) -> "Catalog":
        """The catalogue whose files are downloaded that way."""
        return self.model_copy(update={"way": way})

    def _not_given(self, bundle: Bundle) -> Iterator[str]:
        """The builds of a bundle that are files, and that no spec has given yet."""
        for name in dict.fromkeys(builds_of(self, [bundle])):
            build = self.builds[name]
            if isinstance(build, FileBuild) and not (build.path and build.sha256):
                yield name

    def bundles(self, kubernetes: str, cni: str, dashboard: str = NO_DASHBOARD) -> list[Bundle]:
        """The bundles of a lab."""
        return [self.kubernetes[kubernetes], self.cni[cni], self.dashboards[dashboard]]

    def image(self, name: str, kubernetes: str, cni: str) -> str:
        """The full name of an image of a lab, like ``kubelab.local/pause:3.2``."""
        for bundle in self.bundles(kubernetes, cni):
            if found := bundle.images.get(name) or bundle.control_plane.get(name):
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


@cache
def _defaults() -> Any:
    # A key is in one file only, as Ansible wants it, which does not merge them either.
    parts = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES)
    return {key: value for part in parts for key, value in part.items()}


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, Mapping)):
        return over
    keys = {**base, **over}
    return {k: _merged(base[k], over[k]) if k in base and k in over else keys[k] for k in keys}


def merged_keys(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The catalogue's keys that ``overrides`` touch, whole, as Ansible variables."""
    merged = _merged(_defaults(), overrides)
    return {key: merged[key] for key in overrides}


def load_catalog(overrides: Mapping[str, Any]) -> Catalog:
    """Read the catalogue and lay ``overrides`` (its own keys, any depth) over it.

    Raises:
        SpecError: an override does not fit; names its key path.
    """
    data = _merged(_defaults(), overrides)
    try:
        catalog = Catalog.model_validate(data)
        faults = list(dangling(catalog))
    except ValidationError as bad:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors()]
    if faults:
        raise SpecError(
            "artifacts.overrides does not fit the catalogue",
            "\n".join(f"artifacts.overrides.{fault}" for fault in faults),
            f"The catalogue with all its keys is in {FILE.parent}.",
        )
    return catalog


def catalog_of(artifacts: Artifacts) -> Catalog:
    """The catalogue as a spec has it: its overrides, its source, its mirrors and its proxy.

    Raises:
        SpecError: as ``load_catalog``.
    """
    catalog = load_catalog(artifacts.overrides).by(Way(artifacts.mirrors, artifacts.proxy))
    return catalog.from_upstream() if artifacts.source == "upstream" else catalog


def known_by(artifacts: Artifacts) -> Known:
    """What a spec that says this of artifacts may ask for."""
    return catalog_of(artifacts).known()
