"""Phases that save and restore snapshots of a lab."""

from dataclasses import dataclass

from provisioner.context import Context, snapshots_of
from provisioner.phases.base import Done, Phase

# The path of kubeadm's administrator kubeconfig, and the exit code of cat if it is missing.
ADMIN, MISSING = "/etc/kubernetes/admin.conf", 1


@dataclass
class SaveSnapshot(Phase):
    """Save the state of all machines at one moment."""

    name: str
    key: str = "snapshot"
    title: str = "Save"

    def run(self, context: Context) -> Done:
        """Save the snapshot.

        Raises:
            LabError: the name is taken, or the provider has no snapshots.
        """
        snapshots_of(context).save(self.name, context.listen)
        return Done(self.name)


@dataclass
class RestoreSnapshot(Phase):
    """Restore all machines from a snapshot."""

    name: str
    key: str = "restore"
    title: str = "Restore"

    def run(self, context: Context) -> Done:
        """Restore the snapshot.

        Raises:
            LabError: there is no snapshot of that name.
        """
        snapshots_of(context).restore(self.name, context.listen)
        _follow_kubeconfig(context)
        asleep = [m.name for m in context.provider.machines() if m.state != "running"]
        more = f"; stopped as saved: {', '.join(asleep)} (`kubelab start`)" if asleep else ""
        return Done(f"{self.name}{more}")


def _follow_kubeconfig(context: Context) -> None:
    """Fetch the kubeconfig from the control plane; remove the lab's if there is none.

    The snapshot may be of another cluster than the one that the lab's kubeconfig is for.
    """
    plane, kubeconfig = context.first_control_plane, context.lab.kubeconfig
    states = {machine.name: machine.state for machine in context.provider.machines()}
    if states[plane.name] != "running":
        return
    found = context.provider.exec(plane, ["cat", ADMIN], check=False)
    if found.code == 0:
        context.lab.write(kubeconfig, found.stdout)
    elif found.code == MISSING:
        kubeconfig.unlink(missing_ok=True)
