"""Phases that keep and bring back the state of a whole lab."""

from dataclasses import dataclass

from provisioner.context import Context, snapshots_of
from provisioner.phases.base import Done, Phase

# Where kubeadm puts the administrator's kubeconfig, and what cat ends with where it is missing.
ADMIN, MISSING = "/etc/kubernetes/admin.conf", 1


@dataclass
class SaveSnapshot(Phase):
    """Keep the state of all machines together."""

    name: str
    key: str = "snapshot"
    title: str = "Save"

    def run(self, context: Context) -> Done:
        """Save it.

        Raises:
            LabError: there is one of that name, or the provider has no snapshots.
        """
        snapshots_of(context).save(self.name, context.listen)
        return Done(self.name)


@dataclass
class RestoreSnapshot(Phase):
    """Bring all machines back to a snapshot."""

    name: str
    key: str = "restore"
    title: str = "Restore"

    def run(self, context: Context) -> Done:
        """Restore it.

        Raises:
            LabError: there is none of that name.
        """
        snapshots_of(context).restore(self.name, context.listen)
        _follow_kubeconfig(context)
        asleep = [m.name for m in context.provider.machines() if m.state != "running"]
        more = f"; stopped, as it was: {', '.join(asleep)} (`kubelab start`)" if asleep else ""
        return Done(f"{self.name}{more}")


def _follow_kubeconfig(context: Context) -> None:
    """Have the kubeconfig of the cluster that is on the machines now, or none without a cluster.

    Another cluster may have been made on them since the snapshot was saved.
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
