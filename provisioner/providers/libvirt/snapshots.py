"""Snapshots of all virtual machines of a lab together, running state included."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import libvirt

from provisioner.errors import LabError
from provisioner.model import Event, Listener, Node, Snapshot
from provisioner.providers.libvirt.errors import as_lab_error
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.naming import refuse_bad_name

PHASE = "snapshot"


@dataclass
class Snapshots:
    """The snapshots of a lab's nodes. They lie in the domains' disks (qcow2), and go with them.

    ``go_on`` is called with the nodes that run again after a restore.
    """

    hypervisor: Hypervisor
    nodes: Sequence[Node]
    go_on: Callable[[Sequence[Node], Listener], None]

    def list(self) -> list[Snapshot]:
        """Those that every node has, oldest first. An interrupted save is not among them."""
        every: dict[str, list[Any]] = {}
        for node in self.nodes:
            domain = self.hypervisor.domain(node.name)
            # The time of a snapshot has whole seconds; its parents are older.
            flags = libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL
            for snapshot in domain.listAllSnapshots(flags) if domain else []:
                every.setdefault(snapshot.getName(), []).append(snapshot)
        whole = [found for found in every.values() if len(found) == len(self.nodes)]
        return sorted(map(_facts, whole), key=lambda snapshot: snapshot.made)

    def save(self, name: str, listen: Listener) -> None:
        """Suspend all domains, save all, resume all: no node is ahead of another.

        Raises:
            UsageError: the name cannot be one.
            LabError: there is one of that name, or libvirt refuses.
        """
        refuse_bad_name(name)
        if any(snapshot.name == name for snapshot in self.list()):
            hint = f"`kubelab snapshot delete {name}` removes it."
            raise LabError(f"there is a snapshot {name!r} already", "", hint)
        domains = self._domains()
        # Remove what an interrupted save left.
        self._delete(name)
        text = f"<domainsnapshot><name>{escape(name)}</name></domainsnapshot>"
        with _refused("save"), ExitStack() as undo:
            undo.push(lambda kind, *_: self._delete(name) if kind else None)
            for domain in domains.values():
                if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                    domain.suspend()
                    undo.callback(domain.resume)
            for node, domain in domains.items():
                listen(Event(PHASE, "save", "start", node))
                domain.snapshotCreateXML(text)
                listen(Event(PHASE, "save", "changed", node))

    def restore(self, name: str, listen: Listener) -> None:
        """Revert all domains, paused; then resume all at the same moment.

        Those that were stopped when it was saved are stopped then.

        Raises:
            LabError: there is none of that name, or libvirt refuses.
        """
        self.hypervisor.wake()
        self._refuse_unknown(name)
        ran = self._revert(name, listen)
        self.go_on([node for node in self.nodes if node.name in ran], listen)

    def _revert(self, name: str, listen: Listener) -> set[str]:
        """Revert; returns the nodes that ran when it was saved, and run again."""
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
        domains, ran = self._domains(), set()
        with _refused("restore"):
            for node, domain in domains.items():
                listen(Event(PHASE, "restore", "start", node))
                snapshot = domain.snapshotLookupByName(name)
                paused = 0
                if _was_running(snapshot):
                    ran.add(node)
                    paused = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED
                domain.revertToSnapshot(snapshot, flags | paused)
                listen(Event(PHASE, "restore", "changed", node))
            for domain in domains.values():
                if domain.isActive() and domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                    domain.resume()
        return ran

    def delete(self, name: str) -> None:
        """Delete a snapshot of all nodes.

        Raises:
            LabError: there is none of that name, or libvirt refuses.
        """
        self._refuse_unknown(name)
        with _refused("delete"):
            self._delete(name)

    def _delete(self, name: str) -> None:
        for domain in self._domains().values():
            for snapshot in domain.listAllSnapshots():
                if snapshot.getName() == name:
                    snapshot.delete()

    def _domains(self) -> dict[str, Any]:
        found = {node.name: self.hypervisor.domain(node.name) for node in self.nodes}
        lacking = [node for node, domain in found.items() if domain is None]
        if lacking:
            raise LabError(f"no machine {', '.join(lacking)}", "", "Run `kubelab up` first.")
        return found

    def _refuse_unknown(self, name: str) -> None:
        have = [snapshot.name for snapshot in self.list()]
        if name not in have:
            offer = f"There are: {', '.join(have)}" if have else "There are none."
            raise LabError(f"no snapshot {name!r}", offer, "`kubelab snapshot list` shows them.")


def _was_running(snapshot: Any) -> bool:
    return "<state>shutoff</state>" not in snapshot.getXMLDesc()


def _facts(found: list[Any]) -> Snapshot:
    text = found[0].getXMLDesc()
    made = int(text.partition("<creationTime>")[2].partition("<")[0])
    return Snapshot(found[0].getName(), made, all(map(_was_running, found)))


def _refused(verb: str) -> AbstractContextManager[None]:
    return as_lab_error(f"libvirt cannot {verb} the snapshot", "Look at `virsh list --all`.")
