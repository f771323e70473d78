"""What every provider can do, on one screen. Providers know machines, and nothing of Ansible."""

from collections.abc import Sequence
from typing import Protocol

from provisioner.model import (
    Access,
    Finding,
    Listener,
    Machine,
    MachineImage,
    Node,
    Snapshot,
    Traits,
)
from provisioner.shell import Result


class SnapshotStore(Protocol):
    """The snapshots of one lab. A snapshot has the state of all its machines at one moment."""

    def list(self) -> list[Snapshot]:
        """The snapshots that every machine of the lab has, oldest first."""
        ...

    def save(self, name: str, listen: Listener) -> None:
        """Save the state of all machines together. Machines that run go on afterwards.

        Raises:
            UsageError: the name cannot be one.
            LabError: there is one of that name, or it cannot be saved; nothing is left of it.
        """
        ...

    def restore(self, name: str, listen: Listener) -> None:
        """Bring all machines back to a snapshot, until those that ran then answer SSH.

        Raises:
            LabError: there is none of that name, or a machine did not come up.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete a snapshot.

        Raises:
            LabError: there is none of that name.
        """
        ...


class Provider(Protocol):
    """Makes the machines of one lab. All calls may be repeated; each goes on from what is true."""

    name: str

    @property
    def traits(self) -> Traits:
        """What is peculiar about its machines."""
        ...

    @property
    def access(self) -> Access:
        """How its machines are reached."""
        ...

    @property
    def reach(self) -> str:
        """Who reaches the machines beside one another, in words, as far as they are there."""
        ...

    @property
    def snapshots(self) -> SnapshotStore | None:
        """The lab's snapshots; None where machines cannot have any."""
        ...

    def probe(self) -> list[Finding]:
        """Whether this host can serve, one Finding a question; nothing is changed."""
        ...

    def create(self, nodes: Sequence[Node], image: MachineImage, listen: Listener) -> None:
        """Make the machines that are missing, start those that are stopped, wait for SSH.

        Raises:
            HostError: this host cannot serve; nothing was changed.
            LabError: a machine did not come up.
        """
        ...

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Shut the machines down, by force after a deadline; their disks stay."""
        ...

    def destroy(self, listen: Listener) -> None:
        """Remove all that carries this lab's name, also what a killed run left."""
        ...

    def machines(self) -> list[Machine]:
        """Every machine of the lab as it is now."""
        ...

    def ssh(self, node: Node) -> list[str]:
        """The command line of ``ssh`` to a node; words may be added."""
        ...

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run a command on a node, as root.

        Raises:
            CommandError: it failed (and ``check``), or the node cannot be reached.
        """
        ...
