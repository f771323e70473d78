"""The keys of a lab spec, as pydantic models. What spans several keys is in ``rules.py``."""

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from provisioner.model import Node, Role

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
WORKER_MIB = 512


def _dns_label(value: str) -> str:
    if not DNS_LABEL.fullmatch(value):
        raise ValueError(
            "not a DNS label: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
        )
    return value


def _lab_name(value: str) -> str:
    if len(_dns_label(value)) > 32:
        raise ValueError("longer than 32 characters: machines and links carry this name")
    return value


def _network(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as bad:
        raise ValueError(f"no IPv4 network ({bad}): write it like 10.77.0.0/24") from None
    if network.is_loopback or network.is_multicast or network.is_link_local or network.is_reserved:
        raise ValueError("no address range for machines: take a private one, like 10.77.0.0/24")
    return value


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("no IPv4 address: write it like 10.77.0.10") from None


Label = Annotated[str, AfterValidator(_dns_label)]
LabName = Annotated[str, AfterValidator(_lab_name)]
Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[str, AfterValidator(_address)]


class Section(BaseModel):
    """A part of the spec: unknown keys are faults, and nothing is converted behind one's back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Kubernetes(Section):
    """Which Kubernetes."""

    version: str = Field(description="A version of the catalogue, like 1.20.2")


class NodeSpec(Section):
    """One machine of the lab."""

    name: Label = Field(description="Host name and Kubernetes node name: a DNS label")
    role: Role = Field(description="control-plane or worker")
    address: Address = Field(description="Static IPv4 address in networks.node")
    cpus: int = Field(default=2, ge=1, le=256, description="Processors; a control plane wants 2")
    memory_mib: int = Field(default=2048, ge=WORKER_MIB, le=4194304, description="Memory in MiB")
    disks_gib: list[Annotated[int, Field(ge=1, le=65536)]] = Field(
        default=[], max_length=8, description="Sizes of additional disks, in GiB"
    )


class Networks(Section):
    """The three address ranges of a cluster. None may overlap another."""

    node: Network = Field(default="10.77.0.0/24", description="Machines; the host has its .1")
    pod: Network = Field(default="10.244.0.0/16", description="Pods: a /24 for every node")
    service: Network = Field(default="10.96.0.0/12", description="ClusterIPs of services")


class Runtime(Section):
    """The container runtime."""

    name: Literal["docker"] = "docker"
    cgroup_driver: Literal["systemd", "cgroupfs"] = "systemd"


class Cni(Section):
    """The pod network."""

    name: Literal["flannel"] = "flannel"


class Provider(Section):
    """What machines are made of."""

    name: Literal["machine"] = Field("machine", description="machine: systemd-nspawn on this host")
    nat: bool = Field(default=True, description="Machines may reach what this host reaches")


class Artifacts(Section):
    """Where binaries, images and packages come from."""

    source: Literal["packages"] = Field(
        "packages", description="packages: built from what package registries hold"
    )
    overrides: dict[str, Any] = Field(
        default={}, description="Merged over the catalogue, roles/artifacts/defaults/main"
    )


class LabSpec(Section):
    """All that a user asks for. ``kubelab spec schema`` prints it as JSON Schema."""

    name: LabName = Field(description="Name of the lab: a DNS label of at most 32 characters")
    kubernetes: Kubernetes
    nodes: list[NodeSpec] = Field(min_length=1, max_length=250)
    networks: Networks = Networks()
    runtime: Runtime = Runtime()
    cni: Cni = Cni()
    addons: list[str] = []
    provider: Provider = Provider()
    artifacts: Artifacts = Artifacts()

    @property
    def machines(self) -> list[Node]:
        """The nodes as providers take them."""
        return [
            Node(n.name, n.role, n.address, n.cpus, n.memory_mib, tuple(n.disks_gib))
            for n in self.nodes
        ]

    @property
    def control_plane(self) -> NodeSpec:
        """The node that runs the control plane."""
        return next(node for node in self.nodes if node.role == "control-plane")
