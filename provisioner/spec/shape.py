"""The keys of a lab spec, as pydantic models. Rules for several keys are in ``rules.py``."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from provisioner.model import Choice, Kind, Node, Role
from provisioner.spec.fields import (
    AbsolutePath,
    Address,
    CpuModel,
    Exposed,
    HostPath,
    HttpUrl,
    Label,
    LabName,
    LibvirtUri,
    Link,
    Network,
    NodePort,
    Registry,
)
from provisioner.spec.section import Section

WORKER_MIB = 512
SPEC_VERSION = 2


class Kubernetes(Section):
    """The version of Kubernetes."""

    version: str = Field(description="A version of the catalogue, like 1.20.2")


class NodeSpec(Section):
    """One machine of the lab."""

    name: Label = Field(description="Host name and Kubernetes node name: a DNS label")
    role: Role = Field(description="control-plane or worker")
    address: Address = Field(description="Static IPv4 address in networks.node")
    cpus: int = Field(default=2, ge=1, le=256, description="Processors; a control plane needs 2")
    memory_mib: int = Field(default=2048, ge=WORKER_MIB, le=4194304, description="Memory in MiB")
    disks_gib: list[Annotated[int, Field(ge=1, le=65536)]] = Field(
        default=[], max_length=8, description="Sizes of additional disks, in GiB"
    )


class Networks(Section):
    """The three address ranges of a cluster, which must not overlap."""

    node: Network = Field(default="10.77.0.0/24", description="Machines; the host has its .1")
    pod: Network = Field(default="10.244.0.0/16", description="Pods: a /24 for every node")
    service: Network = Field(default="10.96.0.0/12", description="ClusterIPs of services")


class Runtime(Section):
    """The container runtime."""

    name: Literal["docker"] = "docker"
    cgroup_driver: Literal["systemd", "cgroupfs"] = "systemd"


class Flannel(Section):
    """Pod network by one daemon on each node, without NetworkPolicy."""

    name: Literal["flannel"] = Field("flannel", description="flannel: one daemon on each node")
    backend: Literal["vxlan", "host-gw"] = Field(
        default="vxlan", description="vxlan, or plain routes if all nodes are in one network"
    )


class Bridge(Section):
    """Pod network of a bridge and routes on each node, without a daemon or NetworkPolicy."""

    name: Literal["bridge"] = Field(description="bridge: routes between nodes, no daemon")


class Weave(Section):
    """Weave Net: a mesh of all nodes, with NetworkPolicy."""

    name: Literal["weave"] = Field(description="weave: Weave Net, of the maintained fork")
    mtu: int = Field(default=0, ge=0, le=9216, description="Bytes; 0 for Weave's own, 1376")
    connections: int = Field(
        default=200, ge=1, le=10000, description="Maximum number of nodes that a node connects to"
    )
    iptables_backend: Literal["auto", "legacy", "nft"] = Field(
        default="auto", description="legacy if the nodes' iptables is older than 1.8"
    )
    encryption: bool = Field(default=False, description="Encrypt the traffic between nodes")
    password_file: AbsolutePath = Field(
        default="", description="A file on this host with the password; empty for a random one"
    )


Cni = Annotated[Flannel | Bridge | Weave, Field(discriminator="name")]


DOCKER_DISK_GIB = 20
NO_DASHBOARD = "none"


class DashboardChoice(Section):
    """The dashboard, and how it is exposed."""

    name: str = Field(default=NO_DASHBOARD, description="A dashboard of the catalogue, or none")
    exposure: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP",
        description="ClusterIP: by the port-forward of `kubelab dashboard`; the others open it to"
        " every network that reaches a node",
    )
    node_port: NodePort = Field(default=0, description="Port on nodes; 0: the cluster picks one")


def _long_form(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Dashboard = Annotated[
    DashboardChoice,
    BeforeValidator(_long_form, json_schema_input_type=str | DashboardChoice),
]


class MachineOptions(Section):
    """Machine containers on this host."""

    # Machines start from a root instead of a box, and docker's data is on the host's disk.
    box: ClassVar["BoxChoice | None"] = None
    docker_disk_gib: ClassVar[int] = 0

    name: Literal["machine"] = Field("machine", description="machine: systemd-nspawn on this host")
    nat: bool = Field(default=True, description="Machines reach other networks through this host")
    expose: list[Exposed] = Field(
        default=[],
        max_length=64,
        description="Ports of machines that networks routed by this host reach, or all; other labs"
        " count as such networks",
    )


class BoxChoice(Section):
    """The Vagrant box of the machines."""

    name: str = Field(description="A box of the catalogue, like debian12")
    baked: bool = Field(
        default=True, description="The box contains docker, the images and the prerequisites"
    )


class VagrantOptions(Section):
    """Virtual machines of libvirt, created by Vagrant."""

    name: Literal["vagrant"] = Field(description="vagrant: virtual machines of libvirt")
    box: BoxChoice
    driver: Literal["auto", "kvm", "qemu"] = Field(
        default="auto", description="auto: kvm if it boots a guest, else qemu (emulation, slow)"
    )
    uri: LibvirtUri = Field(
        default="qemu:///system",
        description="The libvirt to use; on another host: qemu+ssh://USER@HOST/system",
    )
    cpu_model: CpuModel = Field(
        default="", description="A CPU model of QEMU; empty for all features of the host"
    )
    nested: bool = Field(default=False, description="Machines may run virtual machines themselves")
    management: Network = Field(
        # Not that of vagrant-libvirt, which stays up from the first `vagrant up` of anybody on.
        default="10.78.1.0/24",
        description="The network that vagrant's SSH uses",
    )
    bridge: Link = Field(
        default="", description="A bridge of the host that machines are attached to as well"
    )
    mtu: int = Field(
        default=0, ge=0, le=9216, description="MTU of the lab's networks; 0: libvirt's default"
    )
    docker_disk_gib: int = Field(
        default=DOCKER_DISK_GIB,
        ge=0,
        le=65536,
        description="Size of the disk for /var/lib/docker in GiB; 0 for none",
    )
    synced_folder: HostPath = Field(
        default="", description="A folder of this host to copy to /vagrant on the machines"
    )


Provider = Annotated[MachineOptions | VagrantOptions, Field(discriminator="name")]


def _by_registry(value: Any) -> Any:
    if isinstance(value, str):
        return {"docker.io": value} if value else {}
    return value


RegistryMirrors = Annotated[
    dict[Registry, HttpUrl],
    BeforeValidator(_by_registry, json_schema_input_type=str | dict[str, str]),
]


class Artifacts(Section):
    """Where binaries, images and packages come from."""

    source: Literal["packages", "upstream", "auto"] = Field(
        default="packages",
        description="packages: all is built from package registries; upstream: files and images of"
        " publishers, and only the rest is built; auto: upstream if it answers, else packages",
    )
    mirrors: dict[HttpUrl, HttpUrl] = Field(
        default={}, description="Mirrors by the URL that they replace: {https://dl.k8s.io: URL}"
    )
    proxy: HttpUrl = Field(
        default="",
        description="Proxy for downloads here and for packages on nodes; empty: http_proxy and"
        " https_proxy of this host for downloads here, and none on nodes",
    )
    registry_mirror: RegistryMirrors = Field(
        default={},
        description="Mirrors of image registries by their names: {registry.k8s.io: URL}; a URL"
        " alone is a mirror of docker.io, which docker on the nodes uses too",
    )
    ca_file: AbsolutePath = Field(
        default="",
        description="Certificates (PEM) that downloads on this host trust in addition",
    )
    overrides: dict[str, JsonValue] = Field(
        default={}, description="Merged over the catalogue, roles/artifacts/defaults/main"
    )


class LabSpec(Section):
    """All that a user asks for. ``kubelab spec schema`` prints it as JSON Schema."""

    spec_version: Literal[2] = Field(
        default=2, description="Version of this schema; older ones are migrated"
    )
    name: LabName = Field(description="Name of the lab: a DNS label of at most 32 characters")
    kubernetes: Kubernetes
    nodes: list[NodeSpec] = Field(min_length=1, max_length=250)
    networks: Networks = Networks()
    runtime: Runtime = Runtime()
    cni: Cni = Flannel()
    dashboard: Dashboard = DashboardChoice()
    hardening: Literal["default", "cis"] = Field(
        default="default",
        description="cis: what the CIS benchmark asks for beyond the defaults (docs/security.md)",
    )
    addons: list[Label] = Field(default=[], description="Addons of the catalogue, by name")
    provider: Provider = MachineOptions()
    artifacts: Artifacts = Artifacts()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The components that this spec asks for."""
        version = self.kubernetes.version
        beside: list[tuple[Kind, str, str]] = [
            ("runtime", self.runtime.name, "runtime.name"),
            ("cni", self.cni.name, "cni.name"),
            ("dashboard", self.dashboard.name, "dashboard.name"),
            *(("addon", name, f"addons[{i}]") for i, name in enumerate(self.addons)),
        ]
        return (
            Choice("kubernetes", "kubernetes", "kubernetes.version", version),
            *(
                Choice(kind, name, key, kubernetes=version)
                for kind, name, key in beside
                if (kind, name) != ("dashboard", NO_DASHBOARD)
            ),
        )

    @property
    def machines(self) -> list[Node]:
        """The nodes in the form for providers."""
        return [
            Node(n.name, n.role, n.address, n.cpus, n.memory_mib, tuple(n.disks_gib))
            for n in self.nodes
        ]

    @property
    def control_plane(self) -> NodeSpec:
        """The node that runs the control plane."""
        return next(node for node in self.nodes if node.role == "control-plane")
