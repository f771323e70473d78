"""The schema of the catalogue, as pydantic models that refuse unknown keys."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.compat import meets
from provisioner.model import Choice, Kind

# A download is kept under its checksum, so nothing else may stand there.
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class Part(BaseModel):
    """Base class of the catalogue's parts; refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Build(BaseModel):
    """The instruction to make files. The source named here reads the other keys."""

    model_config = ConfigDict(extra="allow", frozen=True)

    source: str

    @property
    def is_given_file(self) -> bool:
        """Whether it is a file of this host that a spec names."""
        return self.source == "file" and bool((self.model_extra or {}).get("path"))


class Download(Part):
    """A file to download. ``sums`` is the URL of the publisher's list of checksums."""

    url: str
    sha256: Sha256 = ""
    sums: str = ""
    unpack: bool = False


class Toolchain(Part):
    """A Go toolchain: a folder on this host, or where it is missing the version of a module."""

    path: Path | None = None
    version: str = ""


class Wheel(Part):
    """One file of PyPI."""

    version: str
    sha256: Sha256


class MachineRoot(Part):
    """The input of debootstrap; ``disabled`` are units that do not start at boot."""

    suite: str
    packages: list[str]
    disabled: list[str] = []


class HostPackages(Part):
    """Packages for this host: to build, to fetch images, for each provider, and for tests."""

    build: list[str] = []
    registry: list[str] = []
    machine: list[str] = []
    vagrant: list[str] = []
    test: list[str] = []


class Box(MachineRoot):
    """A Vagrant box that kubelab builds; a baked one also has the packages ``baked``.

    ``guest`` names its system in vagrant. ``baked_daemon`` is the content of daemon.json.
    """

    guest: str
    baked: list[str] = []
    baked_daemon: dict[str, Any] = {}
    initramfs_modules: list[str]
    kernel_arguments: str
    timer_slack_ms: int
    disk_gib: int


class FetchedBox(Part):
    """A publisher's box; its system is ``os`` in compat, ``guest`` in vagrant, ``family`` to us."""

    os: str
    guest: str
    family: str
    name: str
    version: str
    file: Download


class Repository(Part):
    """A repository of signed rpm packages. ``file`` is its name below /etc/yum.repos.d."""

    file: str
    url: str
    key: str

    @property
    def index(self) -> str:
        """The URL of its package index, for x86-64 as everything in the catalogue."""
        return f"{self.url.replace('$basearch', 'x86_64').rstrip('/')}/repodata/repomd.xml"


class Layer(Part):
    """A layer that images share: a build's tree, symbolic links, and the links of busybox."""

    build: str
    links: dict[str, str] = {}
    busybox: str = ""


class Image(Part):
    """A container image: files of builds on top of shared layers, or a complete ``archive``.

    An empty ``repository`` means the catalogue's own. ``role`` says which nodes get the image:
    every node, or control planes.
    """

    tag: str
    role: Literal["node", "control-plane"] = "node"
    repository: str = ""
    archive: str = ""
    layers: list[str] = []
    files: dict[str, str] = {}
    entrypoint: list[str] = []

    @property
    def sources(self) -> list[str]:
        """The files of builds that the image needs, each as BUILD/PATH."""
        return [file for file in (self.archive, *self.files.values()) if file]


class ComponentCheck(Part):
    """A question of ``verify`` about a component: the arguments of kubectl, and the answer.

    ``expects`` is a regular expression that kubectl's output has to match within ``seconds``.
    """

    name: str
    kubectl: list[str]
    expects: str
    seconds: int = 60


class Variant(Part):
    """What of a component is another in the catalogue of publishers; images replace by name."""

    version: str = ""
    files: dict[str, str] = {}
    images: dict[str, Image] = {}


class Component(Part):
    """A component of a cluster, identified by its kind and its name.

    ``settings`` is data for the role of the kind. ``files`` maps a path in the set to BUILD/PATH.
    ``packages`` and ``repositories`` are installed on nodes; their keys are Ansible's
    ``os_family``, or family and major version (``RedHat-7``). An empty version pins nothing.
    ``requires`` and ``conflicts`` name others as KIND or KIND/NAME, ``kubernetes`` its versions.
    """

    kind: Kind
    name: str
    version: str
    settings: dict[str, Any] = {}
    files: dict[str, str] = {}
    images: dict[str, Image] = {}
    packages: dict[str, dict[str, str]] = {}
    repositories: dict[str, dict[str, Repository]] = {}
    requires: list[str] = []
    conflicts: list[str] = []
    kubernetes: str = ""
    checks: list[ComponentCheck] = []
    upstream: Variant = Variant()

    def from_upstream(self) -> "Component":
        """The component as its publisher has it."""
        changed = {
            "version": self.upstream.version or self.version,
            "files": {**self.files, **self.upstream.files},
            "images": {**self.images, **self.upstream.images},
        }
        return self.model_copy(update=changed)

    def is_chosen_by(self, choice: Choice) -> bool:
        """Whether a spec chooses this component."""
        wanted = (choice.kind, choice.name, choice.version or self.version)
        same = wanted == (self.kind, self.name, self.version)
        return same and meets(choice.kubernetes, self.kubernetes)

    def is_meant_by(self, reference: str) -> bool:
        """Whether a reference (KIND or KIND/NAME) means this component."""
        kind, _, name = reference.partition("/")
        return kind == self.kind and name in ("", self.name)

    @property
    def sources(self) -> list[str]:
        """The files of builds that it needs, each as BUILD/PATH, without those of layers."""
        images = (file for image in self.images.values() for file in image.sources)
        return [*self.files.values(), *images]


class Catalog(Part):
    """The whole catalogue."""

    host_packages: dict[str, HostPackages]
    image_repository: str
    toolchains: dict[str, Toolchain]
    machine_root: MachineRoot
    boxes: dict[str, Box | FetchedBox]
    builds: dict[str, Build]
    upstream: dict[str, Build]
    layers: dict[str, Layer]
    python_locks: dict[str, dict[str, Wheel]]
    components: dict[str, Component]

    def from_upstream(self) -> "Catalog":
        """The catalogue in which publishers' files and images replace what would be built.

        Files of this host that a spec names are kept.
        """
        given = {name: build for name, build in self.builds.items() if build.is_given_file}
        builds = {**self.builds, **self.upstream, **given}
        components = {key: c.from_upstream() for key, c in self.components.items()}
        return self.model_copy(update={"builds": builds, "components": components})

    def of_kind(self, kind: Kind) -> list[Component]:
        """Every component of a kind, in the order of the catalogue's files."""
        return [component for component in self.components.values() if component.kind == kind]

    def find(self, choice: Choice) -> Component | None:
        """The component that a spec chooses, or None if the catalogue lacks it."""
        return next((c for c in self.components.values() if c.is_chosen_by(choice)), None)

    def resolve(self, choices: Iterable[Choice]) -> list[Component]:
        """The components that a spec chooses; required components come first.

        Raises:
            KeyError: the catalogue lacks a component.
        """
        found = []
        for choice in choices:
            component = self.find(choice)
            if component is None:
                raise KeyError(f"{choice.kind}/{choice.name} {choice.version}".strip())
            found.append(component)
        return in_order(found)

    def is_whole(self, component: Component) -> bool:
        """Whether the catalogue has all builds of a component."""
        return set(self.builds_of([component])) <= set(self.builds)

    def builds_of(self, components: Iterable[Component]) -> list[str]:
        """The names of the builds that components need, without duplicates."""
        return list(dict.fromkeys(self._builds_of(components)))

    def _builds_of(self, components: Iterable[Component]) -> Iterator[str]:
        for component in components:
            yield from (build_of(file) for file in component.sources)
            for image in component.images.values():
                yield from (self.layers[layer].build for layer in image.layers)

    def reference(self, name: str, image: Image) -> str:
        """The full name of one image, like ``kubelab.local/pause:3.2``."""
        return f"{image.repository or f'{self.image_repository}/{name}'}:{image.tag}"


def build_of(file: str) -> str:
    """The name of the build in BUILD/PATH."""
    return file.partition("/")[0]


def in_order(components: Collection[Component]) -> list[Component]:
    """The components in their given order, but required components come first."""
    done: list[Component] = []

    def add(component: Component, above: tuple[str, ...]) -> None:
        if component in done or component.name in above:
            return
        for needed in components:
            if any(needed.is_meant_by(reference) for reference in component.requires):
                add(needed, (*above, component.name))
        done.append(component)

    for component in components:
        add(component, ())
    return done
