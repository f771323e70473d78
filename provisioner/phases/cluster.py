"""Phases that make machines a cluster, by Ansible."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.checks.kubectl import Kubectl
from provisioner.checks.ready import wait_for_nodes
from provisioner.errors import LabError
from provisioner.inventory import SET_ON_NODES, Places, render_inventory
from provisioner.lab import PROJECT
from provisioner.phases.base import Context
from provisioner.phases.machines import image_of, set_on_nodes
from provisioner.playbooks import run_playbook

READY_SECONDS = 180.0


@dataclass
class WriteInventory:
    """Write the inventory that the playbooks read."""

    key: str = "inventory"
    title: str = "Inventory"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: it is compared, and only written where it differs."""
        return True

    def run(self, context: Context) -> str:
        """Render and write it."""
        if context.artifacts is None:
            raise LabError("no artifact set", "", "Run `kubelab artifacts build` first.")
        lab, provider, folder = context.lab, context.provider, context.artifacts.folder
        traits = provider.traits
        on_nodes = set_on_nodes(folder) if traits.host_folders else SET_ON_NODES
        places = Places(lab.inventory, lab.kubeconfig, folder, on_nodes)
        text = render_inventory(context.spec, traits, provider.access, places)
        return "written" if lab.write(lab.inventory, text) else "unchanged"


@dataclass
class RunPlaybook:
    """Run one of our playbooks on the lab, or on one node of it."""

    playbook: str = "site.yml"
    key: str = "cluster"
    title: str = "Cluster"
    limit: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: the roles ask each host what is missing."""
        return True

    def run(self, context: Context) -> str:
        """Run it.

        Raises:
            LabError: a task failed; names host, task and reason.
        """
        recap = run_playbook(
            PROJECT / "playbooks" / self.playbook,
            context.lab.inventory,
            phase=self.key,
            listen=context.listen,
            config=PROJECT / "ansible.cfg",
            limit=self.limit,
            variables=self.variables,
            slow_hosts=context.provider.traits.slowness > 1,
        )
        context.recap = recap
        counts = ", ".join(f"{host} {c['changed']}" for host, c in sorted(recap.hosts.items()))
        return f"changed={recap.changed} ({counts})"


@dataclass
class RetireNetwork(RunPlaybook):
    """Take the pod network off a lab that is up, for another one to come."""

    playbook: str = "retire.yml"
    key: str = "network"
    title: str = "Old network"

    def needed(self, context: Context) -> bool:
        """Whether there is a cluster that could have one."""
        return context.lab.kubeconfig.exists()


@dataclass
class WakeControlPlane:
    """Let the control plane come up alone, where machines are slow.

    An API server whose etcd is kept waiting ends itself after twenty seconds, and is tried again
    later each time: emulated machines that all start at once may keep it so for half an hour.
    """

    key: str = "control-plane"
    title: str = "Control plane"

    def needed(self, context: Context) -> bool:
        """Whether it is a part of a cluster, and stopped."""
        if context.provider.traits.slowness <= 1 or not context.lab.kubeconfig.exists():
            return False
        states = {m.name: m.state for m in context.provider.machines()}
        return states[context.spec.control_plane.name] in ("stopped", "paused")

    def run(self, context: Context) -> str:
        """Start it, and wait until its node is Ready.

        Raises:
            LabError: the machine did not come up, or the node did not come back.
        """
        name = context.spec.control_plane.name
        nodes = [node for node in context.spec.machines if node.name == name]
        context.provider.create(nodes, image_of(context), context.listen)
        _wait_for(context, [name])
        return f"{name} is Ready"


def _wait_for(context: Context, names: list[str]) -> None:
    seconds = READY_SECONDS * context.provider.traits.slowness
    wait_for_nodes(kubectl_of(context), names, context.began, seconds)


@dataclass
class WaitForNodes:
    """Wait until every node is Ready by a heartbeat that is newer than this command."""

    key: str = "ready"
    title: str = "Ready"

    def needed(self, context: Context) -> bool:
        """Whether a cluster runs: machines may have none yet, or a snapshot be of stopped ones."""
        if not context.lab.kubeconfig.exists():
            return False
        return any(machine.state == "running" for machine in context.provider.machines())

    def run(self, context: Context) -> str:
        """Wait.

        Raises:
            LabError: a node did not come back; names it.
        """
        names = [node.name for node in context.spec.nodes]
        _wait_for(context, names)
        return f"{len(names)} of {len(names)} nodes"


def kubectl_of(context: Context) -> Kubectl:
    """The kubectl of the lab's cluster; by way of the control plane where that is far away."""
    provider, control_plane = context.provider, context.spec.control_plane.name
    node = next(n for n in context.spec.machines if n.name == control_plane)
    through = tuple(provider.ssh(node)) if provider.access.hop else ()
    return Kubectl(context.lab.kubectl, context.lab.kubeconfig, through)
