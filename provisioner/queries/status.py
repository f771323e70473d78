"""The current state of a lab, from the provider, the machines and the API server."""

from dataclasses import dataclass
from typing import Any

from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.checks.runtimes import driver_of
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.model import Machine


@dataclass(frozen=True)
class _NodesReply:
    """The nodes by name, as the API server reports them; empty if it does not answer."""

    nodes: dict[str, dict[str, Any]]
    reachable: bool


def _ask(kubectl: Kubectl) -> _NodesReply:
    try:
        found = kubectl.get("nodes", timeout=5)
    except LabError:
        return _NodesReply({}, reachable=False)
    return _NodesReply({node["metadata"]["name"]: node for node in found}, reachable=True)


def _phase(machines: list[Machine], answer: _NodesReply) -> str:
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
    """The current state of a lab, as the JSON document of ``status``."""
    spec, machines = context.spec, context.provider.machines()
    answer = _ask(context.kubectl) if any(m.state == "running" for m in machines) else None
    answer = answer or _NodesReply({}, reachable=False)
    roles = {node.name: node.role for node in spec.nodes}
    info = [n["status"]["nodeInfo"] for n in answer.nodes.values()]
    driver, plane = "", context.first_control_plane
    if answer.reachable:
        ask = driver_of(spec.runtime.name)
        driver = context.provider.exec(plane, ask, check=False).stdout.strip()
    return {
        "lab": spec.name,
        "provider": spec.provider.name,
        "phase": _phase(machines, answer),
        "kubernetes": info[0]["kubeletVersion"] if info else "",
        "runtime": info[0]["containerRuntimeVersion"] if info else "",
        "cgroup_driver": driver,
        "cni": spec.cni.name,
        "addons": spec.addons,
        "network": context.provider.reach,
        "api": f"https://{plane.address}:6443",
        "nodes": [_row(m, roles[m.name], answer.nodes.get(m.name)) for m in machines],
    }
