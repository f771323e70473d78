"""Phases that wait for nodes of a cluster that is there already."""

from collections.abc import Sequence

from provisioner.checks.ready import wait_for_nodes
from provisioner.context import Context
from provisioner.phases.base import Done, Phase
from provisioner.phases.machines import image_of

READY_SECONDS = 180.0


def _wait_for(context: Context, names: Sequence[str]) -> None:
    seconds = READY_SECONDS * context.provider.traits.slowness
    wait_for_nodes(context.kubectl, names, context.began, seconds)


class WakeControlPlane(Phase):
    """Let the control plane come up alone, where machines are slow.

    An API server whose etcd is kept waiting ends itself after twenty seconds, and is tried again
    later each time: emulated machines that all start at once may keep it so for half an hour.
    """

    key = "control-plane"
    title = "Control plane"

    def needed(self, context: Context) -> bool:
        """Whether it is a part of a cluster, and stopped."""
        if context.provider.traits.slowness <= 1 or not context.lab.kubeconfig.exists():
            return False
        states = {m.name: m.state for m in context.provider.machines()}
        return states[context.first_control_plane.name] in ("stopped", "paused")

    def run(self, context: Context) -> Done:
        """Start it, and wait until its node is Ready.

        Raises:
            LabError: the machine did not come up, or the node did not come back.
        """
        node = context.first_control_plane
        context.provider.create([node], image_of(context), context.listen)
        _wait_for(context, [node.name])
        return Done(f"{node.name} is Ready")


class WaitForNodes(Phase):
    """Wait until every node is Ready by a heartbeat that is newer than this command."""

    key = "ready"
    title = "Ready"

    def needed(self, context: Context) -> bool:
        """Whether a cluster runs: machines may have none yet, or a snapshot be of stopped ones."""
        if not context.lab.kubeconfig.exists():
            return False
        return any(machine.state == "running" for machine in context.provider.machines())

    def run(self, context: Context) -> Done:
        """Wait.

        Raises:
            LabError: a node did not come back; names it.
        """
        names = [node.name for node in context.spec.nodes]
        _wait_for(context, names)
        return Done(f"{len(names)} of {len(names)} nodes")
