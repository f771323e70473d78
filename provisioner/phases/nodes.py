"""Phases that wait for the nodes of an existing cluster."""

from collections.abc import Sequence
from functools import partial

from provisioner.checks.machines import STATIC_PODS, causes
from provisioner.checks.ready import wait_for_all, wait_for_dns, wait_for_nodes
from provisioner.checks.runtimes import services_of
from provisioner.checks.verify import CheckFailed
from provisioner.context import Context, on_machines
from provisioner.phases.base import Done, Phase
from provisioner.phases.machines import image_of

READY_SECONDS = 180.0
# The roles have waited already. A node may miss a moment on a busy host.
SETTLE_SECONDS = 30.0
# kubelet waits longer before each start of a container that crashes.
DNS_SECONDS = 120.0


def _explain(context: Context, name: str) -> list[str]:
    """Why a node is late, or without a name the API server, as far as its machine knows."""
    plane = context.first_control_plane
    node = next((node for node in context.spec.machines if node.name == name), plane)
    pods = STATIC_PODS if node == plane else ()
    record = context.lab.artifacts
    services = services_of(context.spec.runtime.name, record.components if record else [])
    try:
        return causes(on_machines(context), node.name, context.spec.runtime.name, services, pods)
    except CheckFailed as fault:
        return [str(fault)]


def _wait_for(context: Context, names: Sequence[str]) -> None:
    seconds = READY_SECONDS * context.provider.traits.slowness
    explain = partial(_explain, context)
    wait_for_nodes(context.kubectl, names, context.began, seconds, explain)


def _runs(context: Context) -> bool:
    if not context.lab.kubeconfig.exists():
        return False
    return any(machine.state == "running" for machine in context.provider.machines())


class WakeControlPlane(Phase):
    """Start the control plane before the workers if machines are slow.

    The API server exits if etcd does not answer for twenty seconds, and each restart is delayed
    longer. With emulated machines that all start at once this may go on for half an hour.
    """

    key = "control-plane"
    title = "Control plane"

    def needed(self, context: Context) -> bool:
        """Whether the cluster exists and its control plane is stopped or paused."""
        if context.provider.traits.slowness <= 1 or not context.lab.kubeconfig.exists():
            return False
        states = {m.name: m.state for m in context.provider.machines()}
        return states[context.first_control_plane.name] in ("stopped", "paused")

    def run(self, context: Context) -> Done:
        """Start the machine, and wait until its node is Ready.

        Raises:
            LabError: the machine did not come up, or the node did not come back.
        """
        node = context.first_control_plane
        context.provider.create([node], image_of(context), context.listen)
        _wait_for(context, [node.name])
        return Done(f"{node.name} is Ready")


class WaitForNodes(Phase):
    """Wait until every node is Ready and has sent a heartbeat since the start of the command."""

    key = "ready"
    title = "Ready"

    def needed(self, context: Context) -> bool:
        """Whether a cluster runs: there may be none, or a snapshot may have stopped machines."""
        return _runs(context)

    def run(self, context: Context) -> Done:
        """Wait for the nodes.

        Raises:
            LabError: a node did not become Ready in time; names it.
        """
        names = [node.name for node in context.spec.nodes]
        _wait_for(context, names)
        return Done(f"{len(names)} of {len(names)} nodes")


class CompareNodes(Phase):
    """Compare the nodes that are Ready with those that the spec asks for.

    The roles only know the hosts that the inventory gave them.
    """

    key = "nodes"
    title = "Nodes"

    def run(self, context: Context) -> Done:
        """Ask the API server.

        Raises:
            LabError: a node of the spec is not in the cluster, or not Ready; names it.
        """
        names = [node.name for node in context.spec.nodes]
        seconds = SETTLE_SECONDS * context.provider.traits.slowness
        wait_for_all(context.kubectl, names, seconds, partial(_explain, context))
        return Done(f"{len(names)} of {len(names)} Ready")


class WaitForDns(Phase):
    """Wait until the cluster's DNS answers: Ready nodes say nothing about it."""

    key = "dns"
    title = "Cluster DNS"

    def needed(self, context: Context) -> bool:
        """Whether a cluster runs."""
        return _runs(context)

    def run(self, context: Context) -> Done:
        """Ask the pods of DNS through the API server.

        Raises:
            LabError: none answers.
        """
        return Done(wait_for_dns(context.kubectl, DNS_SECONDS * context.provider.traits.slowness))
