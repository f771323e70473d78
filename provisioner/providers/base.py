"""What every provider can do, on one screen. Providers know machines, and nothing of Ansible."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from provisioner.model import Finding, Listener, Machine, Node, Snapshot
from provisioner.shell import Result


class Provider(Protocol):
    """Makes the machines of one lab. All calls may be repeated; each goes on from what is true."""

    name: str

    @property
    def slowness(self) -> float:
        """How many times slower than this host its machines are; deadlines are that much later."""
        ...

    @property
    def hop(self) -> str:
        """The SSH destination that leads to the machines; empty: they are reached from here."""
        ...

    def probe(self) -> list[Finding]:
        """Whether this host can serve, one Finding a question; nothing is changed."""
        ...

    def create(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Make the machines that are missing, start those that are stopped, wait for SSH.

        Raises:
            HostError: this host cannot serve; nothing was changed.
            LabError: a machine did not come up.
        """
        ...

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Shut the machines down in order, by force after a deadline; their disks stay."""
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

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that every machine of the lab has, oldest first."""
        ...

    def save(self, name: str, listen: Listener) -> None:
        """Keep the state of all machines together, running state included.

        Raises:
            LabError: there is one of that name, or the provider has no snapshots.
        """
        ...

    def restore(self, name: str, listen: Listener) -> None:
        """Bring all machines back to a snapshot, with their clocks set to the present.

        Raises:
            LabError: there is none of that name.
        """
        ...

    def forget(self, name: str) -> None:
        """Delete a snapshot.

        Raises:
            LabError: there is none of that name.
        """
        ...

    def on_nodes(self, folder: Path) -> str:
        """Where nodes have, or shall have, an artifact set that is in ``folder`` on this host."""
        ...

    def group_vars(self) -> dict[str, Any]:
        """How hosts are reached, and role variables for what is peculiar about these machines."""
        ...
