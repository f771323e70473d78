"""What verify and status ask of a lab that is up."""

from dataclasses import dataclass
from typing import Any

from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.checks.questions import BASIC, DEEP
from provisioner.checks.verify import Cluster, verify
from provisioner.errors import LabError
from provisioner.model import Finding, Machine
from provisioner.phases.base import Context
from provisioner.phases.cluster import kubectl_of
from provisioner.shell import Result


def verify_lab(context: Context) -> list[Finding]:
    """Put every question of verify to the lab's cluster."""
    spec = context.spec
    by_name = {node.name: node for node in spec.machines}

    def on_node(name: str, argv: list[str]) -> Result:
        return context.provider.exec(by_name[name], argv, check=False)

    image = context.catalog.image("toolbox", spec.kubernetes.version, spec.cni.name)
    cluster = Cluster(spec, kubectl_of(context), on_node, image, context.provider.traits.slowness)
    return verify(cluster, BASIC, DEEP, context.listen)


@dataclass(frozen=True)
class _Answer:
    """What the API server says of the nodes; empty where it does not answer."""

    nodes: dict[str, dict[str, Any]]
    reachable: bool


def _ask(kubectl: Kubectl) -> _Answer:
    try:
        found = kubectl.get("nodes", timeout=5)
    except LabError:
        return _Answer({}, reachable=False)
    return _Answer({node["metadata"]["name"]: node for node in found}, reachable=True)


def _phase(machines: list[Machine], answer: _Answer) -> str:
    states = {machine.state for machine in machines}
    if states == {"absent"}:
        return "absent"
    if "running" not in states:
        return "paused" if "paused" in states else "stopped"
    ready = [name for name, node in answer.nodes.items() if is_ready(node)]
    if states == {"running"} and len(ready) == len(machines):
        return "running"
    return "degraded" if answer.reachable else "no cluster"


def _row(machine: Machine, role: str, node: dict[str, Any] | None) -> dict[str, Any]:
    kubelet = "unknown" if node is None else ("Ready" if is_ready(node) else "NotReady")
    node_spec = node["spec"] if node else {}
    taints = [f"{t['key']}:{t['effect']}" for t in node_spec.get("taints", [])]
    return {
        "name": machine.name,
        "role": role,
        "address": machine.address,
        "machine": machine.state,
        "kubelet": kubelet,
        "taints": taints,
        "memory_mib": machine.memory_mib,
        "disk_mib": machine.disk_mib,
        "schedulable": node is not None and not node_spec.get("unschedulable", False),
    }


def status_of(context: Context) -> dict[str, Any]:
    """The lab as it is now: asked from the provider, the machines and the API server."""
    spec, machines = context.spec, context.provider.machines()
    answer = _ask(kubectl_of(context)) if any(m.state == "running" for m in machines) else None
    answer = answer or _Answer({}, reachable=False)
    roles = {node.name: node.role for node in spec.nodes}
    info = [n["status"]["nodeInfo"] for n in answer.nodes.values()]
    driver = ""
    plane = next(node for node in spec.machines if node.role == "control-plane")
    if answer.reachable:
        ask = ["docker", "info", "--format", "{{.CgroupDriver}}"]
        driver = context.provider.exec(plane, ask, check=False).stdout.strip()
    return {
        "lab": spec.name,
        "provider": spec.provider.name,
        "phase": _phase(machines, answer),
        "kubernetes": info[0]["kubeletVersion"] if info else "",
        "runtime": info[0]["containerRuntimeVersion"] if info else "",
        "cgroup_driver": driver,
        "cni": spec.cni.name,
        "api": f"https://{plane.address}:6443",
        "nodes": [_row(m, roles[m.name], answer.nodes.get(m.name)) for m in machines],
    }
