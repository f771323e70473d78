"""Phases that run Ansible to turn machines into a cluster."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from provisioner.checks.fingerprint import difference, digest, take
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.file_faults import read_json
from provisioner.lab import PROJECT
from provisioner.model import Event
from provisioner.phases.base import Done, Phase
from provisioner.playbooks import Recap, run_playbook

COMPARE = "Compare the lab with what the last run left"


@dataclass
class RunPlaybook(Phase):
    """Run one of kubelab's playbooks on the lab, or on the nodes of ``limit``."""

    playbook: str = "site.yml"
    key: str = "cluster"
    title: str = "Cluster"
    limit: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)

    def run(self, context: Context) -> Done:
        """Run the playbook.

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
    """Run the roles, unless the lab is unchanged since their last run."""

    def run(self, context: Context) -> Done:
        """Compare the lab with the fingerprint of the last run; run the playbook if it differs.

        Raises:
            LabError: a task failed; names host, task and reason.
        """
        lab, inputs = context.lab, _inputs(context)
        known: dict[str, Any] = {}
        # Without one that can be read, the roles run.
        with suppress(FileNotFoundError, LabError):
            known = read_json(lab.fingerprint, "")
        touched = "no fingerprint of the same inputs"
        if known.get("inputs") == inputs:
            context.listen(Event(self.key, COMPARE, "start"))
            begin, now = time.monotonic(), _fingerprint(context, well=True)
            touched = difference(known["found"], now) if now else "not everything is Ready"
            seconds = round(time.monotonic() - begin, 3)
            context.listen(Event(self.key, COMPARE, "ok", "", seconds, touched))
        if not touched:
            recap = Recap({node.name: {"changed": 0} for node in context.spec.nodes})
            return Done("changed=0 (unchanged since the last run)", recap=recap)
        lab.fingerprint.unlink(missing_ok=True)
        done = super().run(context)
        # A pod of kube-proxy may not be Ready yet. The next run requires that it is.
        if now := _fingerprint(context, well=False):
            lab.write(lab.fingerprint, json.dumps({"inputs": inputs, "found": now}, indent=1))
        return done


def _inputs(context: Context) -> str:
    """The digest of the roles and all their inputs: the inventory and the set's manifest."""
    inventory = context.lab.inventory.read_text(encoding="utf-8")
    # The kubeconfig is an output of the roles, so its content is not an input.
    texts = [inventory.replace(str(context.lab.kubeconfig), "")]
    if context.artifacts is not None:
        texts.append((context.artifacts.folder / "manifest.json").read_text(encoding="utf-8"))
    folders = [PROJECT / "playbooks", PROJECT / "roles"]
    return digest(folders, [*texts, (PROJECT / "ansible.cfg").read_text(encoding="utf-8")])


def _fingerprint(context: Context, *, well: bool) -> Mapping[str, list[str]] | None:
    """The fingerprint of the lab; None if it cannot be taken, or is not ``well``."""
    try:
        return take(context.provider, context.spec.machines, context.kubectl, well=well)
    except LabError:
        return None


@dataclass
class RetireNetwork(RunPlaybook):
    """Remove the pod network of a running lab, so that another can be installed."""

    playbook: str = "retire.yml"
    key: str = "network"
    title: str = "Old network"

    def needed(self, context: Context) -> bool:
        """Whether there is a cluster."""
        return context.lab.kubeconfig.exists()
