"""Phases that make machines a cluster, by Ansible."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.catalog.builds import FetchedBox
from provisioner.catalog.load import merged_keys
from provisioner.checks.fingerprint import difference, digest, take
from provisioner.checks.kubectl import Kubectl
from provisioner.checks.ready import wait_for_nodes
from provisioner.compat import OSES
from provisioner.errors import LabError
from provisioner.lab import PROJECT
from provisioner.model import Event
from provisioner.phases.base import Context
from provisioner.phases.machines import make_provider
from provisioner.playbooks import Recap, run_playbook
from provisioner.render import Places, render_inventory
from provisioner.spec import VagrantOptions

READY_SECONDS = 180.0
COMPARE = "Compare with what the last run left"


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
        lab, spec = context.lab, context.spec
        folder = context.artifacts.folder
        on_nodes = context.provider.on_nodes(folder)
        places = Places(lab.inventory, lab.kubeconfig, folder, on_nodes)
        catalogue = merged_keys(spec.artifacts.overrides)
        text = render_inventory(spec, places, _group_vars(context), catalogue)
        return "written" if lab.write(lab.inventory, text) else "unchanged"


def _group_vars(context: Context) -> dict[str, Any]:
    """The provider's variables, and what the system of its machines and the spec add to them."""
    spec, found = context.spec, context.provider.group_vars()
    if isinstance(spec.provider, VagrantOptions):
        box = context.catalog.boxes[spec.provider.box.name]
        python = OSES.get(box.os, {}).get("python", "") if isinstance(box, FetchedBox) else ""
        if python.startswith("2."):
            # Its package manager has no bindings for any other Python.
            found |= {"ansible_python_interpreter": f"/usr/bin/python{python}"}
    if spec.artifacts.proxy:
        found |= {"node_proxy": spec.artifacts.proxy}
    if spec.artifacts.registry_mirror:
        more = {"registry-mirrors": [spec.artifacts.registry_mirror]}
        found |= {"docker_daemon_extra": {**found.get("docker_daemon_extra", {}), **more}}
    return found


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
        )
        context.recap = recap
        counts = ", ".join(f"{host} {c['changed']}" for host, c in sorted(recap.hosts.items()))
        return f"changed={recap.changed} ({counts})"


@dataclass
class SetUpCluster(RunPlaybook):
    """Let the roles make machines a cluster, unless all is as it was when they had done so."""

    def run(self, context: Context) -> str:
        """Compare what is true now with the end of the last run; run the playbook if it differs.

        Raises:
            LabError: a task failed; names host, task and reason.
        """
        lab, inputs = context.lab, self._inputs(context)
        kept = lab.fingerprint.read_text(encoding="utf-8") if lab.fingerprint.exists() else "{}"
        known = json.loads(kept)
        touched = "made anew"
        if known.get("inputs") == inputs:
            context.listen(Event(self.key, COMPARE, "start"))
            begin, now = time.monotonic(), self._take(context)
            touched = difference(known["found"], now) if now else "not everything is well"
            seconds = round(time.monotonic() - begin, 3)
            context.listen(Event(self.key, COMPARE, "ok", "", seconds, touched))
        if not touched:
            context.recap = Recap({node.name: {"changed": 0} for node in context.spec.nodes})
            return "changed=0 (all is as the last run left it)"
        lab.fingerprint.unlink(missing_ok=True)
        outcome = super().run(context)
        if now := self._take(context):
            lab.write(lab.fingerprint, json.dumps({"inputs": inputs, "found": now}, indent=1))
        return outcome

    def _inputs(self, context: Context) -> str:
        """What stands for all that the roles are told: themselves, the inventory, the set."""
        inventory = context.lab.inventory.read_text(encoding="utf-8")
        # What the roles write there is asked for by whoever uses it.
        texts = [inventory.replace(str(context.lab.kubeconfig), "")]
        if context.artifacts is not None:
            texts.append((context.artifacts.folder / "manifest.json").read_text(encoding="utf-8"))
        folders = [PROJECT / "playbooks", PROJECT / "roles"]
        return digest(folders, [*texts, (PROJECT / "ansible.cfg").read_text(encoding="utf-8")])

    def _take(self, context: Context) -> Mapping[str, list[str]] | None:
        """The fingerprint; None where there is no whole cluster to take it of."""
        try:
            return take(context.provider, context.spec.machines, kubectl_of(context))
        except LabError:
            return None


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
        if context.provider.slowness <= 1 or not context.lab.kubeconfig.exists():
            return False
        states = {m.name: m.state for m in context.provider.machines()}
        return states[context.spec.control_plane.name] in ("stopped", "paused")

    def run(self, context: Context) -> str:
        """Start it, and wait until its node is Ready.

        Raises:
            LabError: the machine did not come up, or the node did not come back.
        """
        context.provider = make_provider(context.lab, context.spec, context.artifacts)
        name = context.spec.control_plane.name
        nodes = [node for node in context.spec.machines if node.name == name]
        context.provider.create(nodes, context.listen)
        _wait_for(context, [name])
        return f"{name} is Ready"


def _wait_for(context: Context, names: list[str]) -> None:
    seconds = READY_SECONDS * context.provider.slowness
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
    through = tuple(provider.ssh(node)) if provider.hop else ()
    return Kubectl(context.lab.kubectl, context.lab.kubeconfig, through)
