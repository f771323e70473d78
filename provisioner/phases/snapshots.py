"""Phases that keep and bring back the state of a whole lab."""

from dataclasses import dataclass

from provisioner.errors import LabError
from provisioner.phases.base import Context
from provisioner.providers.base import SnapshotStore


def snapshots_of(context: Context) -> SnapshotStore:
    """The snapshots of a lab.

    Raises:
        LabError: its machines cannot have any.
    """
    found = context.provider.snapshots
    if found is None:
        why = f"Machines of the provider {context.provider.name} cannot have any."
        hint = "Take another provider for it; `kubelab stop` keeps the disks as they are."
        raise LabError(f"lab {context.lab.name} has no snapshots", why, hint)
    return found


@dataclass
class SaveSnapshot:
    """Keep the state of all machines together."""

    name: str
    key: str = "snapshot"
    title: str = "Save"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def run(self, context: Context) -> str:
        """Save it.

        Raises:
            LabError: there is one of that name, or the provider has no snapshots.
        """
        snapshots_of(context).save(self.name, context.listen)
        return self.name


@dataclass
class RestoreSnapshot:
    """Bring all machines back to a snapshot."""

    name: str
    key: str = "restore"
    title: str = "Restore"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def run(self, context: Context) -> str:
        """Restore it.

        Raises:
            LabError: there is none of that name.
        """
        snapshots_of(context).restore(self.name, context.listen)
        asleep = [m.name for m in context.provider.machines() if m.state != "running"]
        more = f"; stopped, as it was: {', '.join(asleep)} (`kubelab start`)" if asleep else ""
        return f"{self.name}{more}"
