"""Phases that make machines a cluster, by Ansible."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.context import Context
from provisioner.lab import PROJECT
from provisioner.phases.base import Done, Phase
from provisioner.playbooks import run_playbook


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
            slow_hosts=context.provider.traits.slowness > 1,
        )
        counts = ", ".join(f"{host} {c['changed']}" for host, c in sorted(recap.hosts.items()))
        return Done(f"changed={recap.changed} ({counts})", recap=recap)


@dataclass
class RetireNetwork(RunPlaybook):
    """Take the pod network off a lab that is up, for another one to come."""

    playbook: str = "retire.yml"
    key: str = "network"
    title: str = "Old network"

    def needed(self, context: Context) -> bool:
        """Whether there is a cluster that could have one."""
        return context.lab.kubeconfig.exists()
