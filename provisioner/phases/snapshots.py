"""Phases that keep and bring back the state of a whole lab."""

from dataclasses import dataclass

from provisioner.context import Context, snapshots_of
from provisioner.phases.base import Done, Phase


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
        asleep = [m.name for m in context.provider.machines() if m.state != "running"]
        more = f"; stopped, as it was: {', '.join(asleep)} (`kubelab start`)" if asleep else ""
        return Done(f"{self.name}{more}")
