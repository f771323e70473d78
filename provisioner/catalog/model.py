"""The schema of the catalogue, as pydantic models. An unknown key is a fault."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from provisioner.model import Choice, Kind


class Part(BaseModel):
    """A part of the catalogue; an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Build(BaseModel):
    """How a file comes to be; what else stands here is for the source of that name to read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    source: str


class Download(Part):
    """A file and where it is. ``sums`` says where its publisher tells the SHA-256."""

    url: str
    sha256: str = ""
    sums: str = ""
    unpack: bool = False


class Toolchain(Part):
    """A Go toolchain: a folder of this host, or a module version."""

    path: Path | None = None
    version: str = ""


class Wheel(Part):
    """One file of PyPI."""

    version: str
    sha256: str


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


class FetchedBox(Part):
    """A Vagrant box of somebody else's.

    ``os`` is what ``compat`` calls the system in it, ``family`` the key of a component's packages.
    """

    os: str
    family: str
    name: str
    version: str
    file: Download


class Repository(Part):
    """A repository of signed packages, and the key that they are signed with."""

    file: str
    url: str
    key: str

    @property
    def index(self) -> str:
        """The URL of its list of packages, for x86-64 like all that the catalogue fetches."""
        return f"{self.url.replace('$basearch', 'x86_64').rstrip('/')}/repodata/repomd.xml"


class Layer(Part):
    """A layer that images share: a build's tree, links in it, and busybox's own links."""

    build: str
    links: dict[str, str] = {}
    busybox: str = ""


class Image(Part):
    """A container image: shared layers below, files of builds on top; or an archive of it, whole.

    ``repository`` is empty for images of our own, which have the catalogue's. ``role`` says which
    nodes get it: every node, or control planes.
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
        """The files of builds that it is made of, each as BUILD/PATH."""
        return [file for file in (self.archive, *self.files.values()) if file]


class ComponentCheck(Part):
    """A question of ``verify`` about a component: kubectl's words, and what has to come.

    ``expects`` is a regular expression that has to be found in what kubectl prints.
    """

    name: str
    kubectl: list[str]
    expects: str
    seconds: int = 60


class Component(Part):
    """One thing that a cluster is made of, looked up by its kind and its name.

    ``settings`` is data for the role that handles the kind. ``files`` maps a path in the set to
    BUILD/PATH. ``packages`` and ``repositories`` are those of nodes, by Ansible's ``os_family`` or
    by family and major version (``RedHat-7``); an empty version pins nothing. ``requires`` and
    ``conflicts`` name other components, as KIND or as KIND/NAME.
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
    checks: list[ComponentCheck] = []

    def is_meant_by(self, reference: str) -> bool:
        """Whether a KIND or KIND/NAME means this component."""
        kind, _, name = reference.partition("/")
        return kind == self.kind and name in ("", self.name)

    @property
    def sources(self) -> list[str]:
        """The files of builds that it is made of, each as BUILD/PATH; layers are not among them."""
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
        """The catalogue with a publisher's files wherever it names some, instead of a build."""
        return self.model_copy(update={"builds": {**self.builds, **self.upstream}})

    def of_kind(self, kind: Kind) -> list[Component]:
        """Every component of a kind, in the order of the catalogue's files."""
        return [component for component in self.components.values() if component.kind == kind]

    def find(self, choice: Choice) -> Component | None:
        """The component that a spec chooses, or None where the catalogue has none such."""
        for component in self.of_kind(choice.kind):
            if component.name == choice.name and choice.version in ("", component.version):
                return component
        return None

    def resolve(self, choices: Iterable[Choice]) -> list[Component]:
        """The components that a spec chooses, those first that others require.

        Raises:
            KeyError: the catalogue has no such component.
        """
        found = []
        for choice in choices:
            component = self.find(choice)
            if component is None:
                raise KeyError(f"{choice.kind}/{choice.name} {choice.version}".strip())
            found.append(component)
        return in_order(found)

    def is_whole(self, component: Component) -> bool:
        """Whether the chosen source has all parts of a component."""
        return set(self.builds_of([component])) <= set(self.builds)

    def builds_of(self, components: Iterable[Component]) -> list[str]:
        """The names of the builds that components are made from, each once."""
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
    """The build in a BUILD/PATH."""
    return file.partition("/")[0]


def in_order(components: Collection[Component]) -> list[Component]:
    """Components with those first that others require; else in the order in which they came."""
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
