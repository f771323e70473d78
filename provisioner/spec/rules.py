"""The rules of a lab spec that involve several keys."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from provisioner.model import Choice
from provisioner.spec.fields import GROUPS
from provisioner.spec.shape import Artifacts, LabSpec, VagrantOptions

# kubeadm's own preflight limits for a control plane: 2 CPUs and 1700 MB.
CONTROL_PLANE_CPUS = 2
CONTROL_PLANE_MIB = 1700
# kube-controller-manager gives every node a /24 of the pod network.
NODE_POD_PREFIX = 24
# kube-apiserver takes at most 20 bits of service addresses, and kubeadm at least ten addresses.
SERVICE_PREFIXES = range(12, 29)
DOCKER_BRIDGE = IPv4Network("172.17.0.0/16")
# Names that mean something else already. A node of that name would be mistaken for it.
RESERVED: Mapping[str, str] = {
    **dict.fromkeys(GROUPS, "a group of hosts in the inventory"),
    "all": "Ansible's word for every host",
    "ungrouped": "Ansible's word for hosts without a group",
    "localhost": "every host's name for itself, in Ansible and in DNS",
    **dict.fromkeys(
        ("ip6-localhost", "ip6-loopback", "ip6-allnodes", "ip6-allrouters"),
        "in /etc/hosts of every machine",
    ),
}


SpecFault = tuple[str, Any, str]
"""Key path, its value, and the reason with what to write instead."""


@dataclass(frozen=True)
class Offer:
    """What the catalogue offers, so that a spec can be refused before anything is fetched.

    ``components`` are names by kind, and versions of Kubernetes. ``missing`` returns the builds of
    a choice whose files the spec has to give. ``conflicts`` yields combinations that cannot work.
    """

    components: Mapping[str, Collection[str]]
    boxes: Collection[str] = ()
    missing: Callable[[Choice], Collection[str]] = lambda _: ()
    conflicts: Callable[[LabSpec], Iterable[SpecFault]] = lambda _: ()


Offers = Callable[[Artifacts], Offer]
"""Returns the catalogue's offer for the key ``artifacts`` of a spec."""


def _name_faults(spec: LabSpec) -> Iterator[SpecFault]:
    for index, node in enumerate(spec.nodes):
        if node.name in RESERVED:
            why = f"not usable for a node, because it is {RESERVED[node.name]}: use another name"
            yield f"nodes[{index}].name", node.name, why
    for key in ("name", "address"):
        seen: dict[str, int] = {}
        for index, node in enumerate(spec.nodes):
            value = getattr(node, key)
            if value in seen:
                why = f"already used by nodes[{seen[value]}]: give every node its own"
                yield f"nodes[{index}].{key}", value, why
            seen.setdefault(value, index)


def _role_faults(spec: LabSpec) -> Iterator[SpecFault]:
    planes = [i for i, node in enumerate(spec.nodes) if node.role == "control-plane"]
    if not planes:
        yield "nodes", f"{len(spec.nodes)} workers", "no control plane: give one node that role"
    for index in planes[1:]:
        why = f"nodes[{planes[0]}] is the control plane, and a lab has one: use role worker"
        yield f"nodes[{index}].role", "control-plane", why
    for index in planes:
        node = spec.nodes[index]
        if node.cpus < CONTROL_PLANE_CPUS:
            why = f"kubeadm refuses a control plane with under {CONTROL_PLANE_CPUS} CPUs"
            yield f"nodes[{index}].cpus", node.cpus, f"{why}: use {CONTROL_PLANE_CPUS} or more"
        if node.memory_mib < CONTROL_PLANE_MIB:
            why = f"kubeadm refuses a control plane with under {CONTROL_PLANE_MIB} MiB"
            yield f"nodes[{index}].memory_mib", node.memory_mib, f"{why}: use 2048 or more"


def _address_faults(spec: LabSpec) -> Iterator[SpecFault]:
    network = IPv4Network(spec.networks.node)
    if network.num_addresses < len(spec.nodes) + 3:
        why = f"too small for {len(spec.nodes)} nodes, the host, and two reserved addresses"
        yield "networks.node", spec.networks.node, f"{why}: use a /24"
        return
    first, last = network[2], network[-2]
    for index, node in enumerate(spec.nodes):
        address, path = IPv4Address(node.address), f"nodes[{index}].address"
        if address not in network:
            yield path, node.address, f"outside networks.node {network}: use {first} to {last}"
        elif address == network[1]:
            yield path, node.address, f"the host's own address: use {first} to {last}"
        elif not first <= address <= last:
            yield path, node.address, f"a reserved address of {network}: use {first} to {last}"


def _network_faults(spec: LabSpec) -> Iterator[SpecFault]:
    named = {key: IPv4Network(value) for key, value in spec.networks.model_dump().items()}
    paths = {f"networks.{key}": network for key, network in named.items()}
    if isinstance(spec.provider, VagrantOptions):
        paths["provider.management"] = IPv4Network(spec.provider.management)
    for (one, a), (other, b) in itertools.combinations(paths.items(), 2):
        if a.overlaps(b):
            why = f"overlaps {one} ({a}): use separate ranges"
            yield other, str(b), why
    if spec.runtime.name == "docker" and named["node"].overlaps(DOCKER_BRIDGE):
        why = f"overlaps docker's own bridge ({DOCKER_BRIDGE}): use another, like 10.77.0.0/24"
        yield "networks.node", spec.networks.node, why
    if spec.cni.name == "weave" and named["pod"].overlaps(DOCKER_BRIDGE):
        why = f"overlaps docker's own bridge ({DOCKER_BRIDGE}), and Weave takes no range that the"
        yield "networks.pod", spec.networks.pod, f"{why} host has a route into: use 10.244.0.0/16"
    room = 2 ** max(NODE_POD_PREFIX - named["pod"].prefixlen, 0)
    if named["pod"].prefixlen > NODE_POD_PREFIX or room < len(spec.nodes):
        why = f"too small: kube-controller-manager gives each of {len(spec.nodes)} nodes a"
        why += f" /{NODE_POD_PREFIX}; use a /16"
        yield "networks.pod", spec.networks.pod, why
    if named["service"].prefixlen not in SERVICE_PREFIXES:
        why = "kube-apiserver takes no range larger than a /12, and kubeadm none smaller than a /28"
        why += ": use 10.96.0.0/12"
        yield "networks.service", spec.networks.service, why


def _dashboard_faults(spec: LabSpec) -> Iterator[SpecFault]:
    wanted = spec.dashboard
    if wanted.node_port and wanted.exposure == "ClusterIP":
        why = "a ClusterIP has no port on nodes: use 0, or exposure NodePort"
        yield "dashboard.node_port", wanted.node_port, why


def _catalogue_faults(spec: LabSpec, offer: Offer) -> Iterator[SpecFault]:
    for choice in spec.choices:
        offered, wanted = offer.components.get(choice.kind, ()), choice.version or choice.name
        if wanted not in offered:
            have = ", ".join(sorted(offered)) or f"no {choice.kind}"
            yield choice.key, wanted, f"the catalogue of {spec.artifacts.source} has {have}"
        elif missing := offer.missing(choice):
            give = ", ".join(f"{name}: {{path: FILE, sha256: SUM}}" for name in missing)
            why = "no package registry has its images: use artifacts.source upstream, which fetches"
            why += " them from their own registries, or save them to files elsewhere, and give"
            yield choice.key, wanted, f"{why} artifacts.overrides.artifacts_builds: {{{give}}}"
    if spec.provider.box and spec.provider.box.name not in offer.boxes:
        why = f"no such box; the catalogue has {', '.join(sorted(offer.boxes))}"
        yield "provider.box.name", spec.provider.box.name, why


def _addon_faults(spec: LabSpec) -> Iterator[SpecFault]:
    for index, name in enumerate(spec.addons):
        if name in spec.addons[:index]:
            yield f"addons[{index}]", name, "given twice: name every addon once"


OWN_RULES = (
    *(_name_faults, _role_faults, _address_faults, _network_faults, _dashboard_faults),
    _addon_faults,
)


def faults_of(spec: LabSpec, offer: Offer) -> list[SpecFault]:
    """The faults of a spec whose single keys are valid."""
    own = [fault for rule in OWN_RULES for fault in rule(spec)]
    return [*own, *_catalogue_faults(spec, offer), *offer.conflicts(spec)]
