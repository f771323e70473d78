"""Phases that make machines a cluster, by Ansible."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.checks.fingerprint import difference, digest, take
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.lab import PROJECT
from provisioner.model import Event
from provisioner.phases.base import Done, Phase
from provisioner.playbooks import Recap, run_playbook

COMPARE = "Compare the lab with what the last run left"


@dataclass
class RunPlaybook(Phase):
    """Run one of our playbooks on the lab, or on one node of it."""

    playbook: str = "site.yml"
    key: str = "cluster"
    title: str = "Cluster"
    limit: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)

    def run(self, context: Context) -> Done:
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
        counts = ", ".join(f"{host} {c['changed']}" for host, c in sorted(recap.hosts.items()))
        return Done(f"changed={recap.changed} ({counts})", recap=recap)


@dataclass
class SetUpCluster(RunPlaybook):
    """Let the roles make machines a cluster, unless all is as it was when they had done so."""

    def run(self, context: Context) -> Done:
        """Compare what is true now with the end of the last run; run the playbook if it differs.

        Raises:
            LabError: a task failed; names host, task and reason.
        """
        lab, inputs = context.lab, _inputs(context)
        kept = lab.fingerprint.read_text(encoding="utf-8") if lab.fingerprint.exists() else "{}"
        known = json.loads(kept)
        touched = "made anew"
        if known.get("inputs") == inputs:
            context.listen(Event(self.key, COMPARE, "start"))
            begin, now = time.monotonic(), _fingerprint(context, well=True)
            touched = difference(known["found"], now) if now else "not everything is well"
            seconds = round(time.monotonic() - begin, 3)
            context.listen(Event(self.key, COMPARE, "ok", "", seconds, touched))
        if not touched:
            recap = Recap({node.name: {"changed": 0} for node in context.spec.nodes})
            return Done("changed=0 (all is as the last run left it)", recap=recap)
        lab.fingerprint.unlink(missing_ok=True)
        done = super().run(context)
        # A pod of kube-proxy may not be Ready yet; the next run wants it to be.
        if now := _fingerprint(context, well=False):
            lab.write(lab.fingerprint, json.dumps({"inputs": inputs, "found": now}, indent=1))
        return done


def _inputs(context: Context) -> str:
    """What stands for all that the roles are told: themselves, the inventory, the set."""
    inventory = context.lab.inventory.read_text(encoding="utf-8")
    # What the roles write there is asked for by whoever uses it.
    texts = [inventory.replace(str(context.lab.kubeconfig), "")]
    if context.artifacts is not None:
        texts.append((context.artifacts.folder / "manifest.json").read_text(encoding="utf-8"))
    folders = [PROJECT / "playbooks", PROJECT / "roles"]
    return digest(folders, [*texts, (PROJECT / "ansible.cfg").read_text(encoding="utf-8")])


def _fingerprint(context: Context, *, well: bool) -> Mapping[str, list[str]] | None:
    """The fingerprint; None where there is no whole cluster to take it of."""
    try:
        return take(context.provider, context.spec.machines, context.kubectl, well=well)
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
