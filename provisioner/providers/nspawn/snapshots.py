"""Snapshots of all machine containers of a lab together: copies of their disks at one moment.

What processes have in memory is this host's kernel's and cannot be saved. Machines are frozen while
their disks are copied, so a snapshot has what a machine would find after all its processes were
killed at that moment; from there a restore starts it.
"""

import json
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from provisioner.errors import HostError, LabError
from provisioner.file_faults import read_json
from provisioner.model import Event, Listener, Node, Snapshot
from provisioner.providers.naming import refuse_bad_name
from provisioner.providers.nspawn import disks, machine
from provisioner.providers.nspawn.cgroups import MachineGroup
from provisioner.providers.nspawn.machine import MachinePlan
from provisioner.shell import run

PHASE = "snapshot"
FACTS = "snapshot.json"
# kubelet evicts pods where less than 1 GiB is free.
SPARE_MIB = 2048


@dataclass
class Snapshots:
    """The snapshots of a lab, in a folder beside those of its machines.

    ``stop`` and ``start`` shut machines down in order, and start them from the disks that they have
    until they answer SSH.
    """

    folder: Path
    plans: Sequence[MachinePlan]
    stop: Callable[[Sequence[Node], Listener], None]
    start: Callable[[Sequence[Node], Listener], None]

    def list(self) -> list[Snapshot]:
        """Those that have every machine of the lab, oldest first."""
        nodes = {plan.node.name for plan in self.plans}
        facts = ((path.parent.name, _facts(path)) for path in self.folder.glob(f"[!.]*/{FACTS}"))
        found = [
            Snapshot(name, fact["made"], running=len(fact["running"]) == len(fact["nodes"]))
            for name, fact in facts
            if nodes <= set(fact["nodes"])
        ]
        return sorted(found, key=lambda snapshot: (snapshot.made, snapshot.name))

    def save(self, name: str, listen: Listener) -> None:
        """Copy the disks of all machines together; those that run are frozen meanwhile.

        Raises:
            UsageError: the name cannot be one.
            LabError: there is one of that name, a machine is missing, or the disk is full.
        """
        refuse_bad_name(name)
        self.refuse_half_restored()
        if (self.folder / name).exists():
            hint = f"`kubelab snapshot delete {name}` removes it."
            raise LabError(f"there is a snapshot {name!r} already", "", hint)
        self._refuse_missing()
        self.remove_remains()
        draft = self.folder / f".{name}.new"
        self._refuse_full_disk([plan.folder for plan in self.plans])
        running = [plan for plan in self.plans if _group(plan).processes()]
        facts = {
            "made": int(time.time()),
            "nodes": [plan.node.name for plan in self.plans],
            "running": [plan.node.name for plan in running],
        }
        try:
            draft.mkdir(parents=True)
            with self._halted(running, listen):
                copies = [(plan.folder, draft / plan.node.name) for plan in self.plans]
                _copy_all("save", copies, listen)
            (draft / FACTS).write_text(json.dumps(facts), encoding="utf-8")
            # A snapshot that has a name is whole, also after a power cut.
            run(["sync", "--file-system", str(draft)])
            draft.rename(self.folder / name)
        finally:
            self.remove_remains()

    def restore(self, name: str, listen: Listener) -> None:
        """Put the disks of a snapshot in the place of those that machines have, and start them.

        Those that were stopped when it was saved are stopped then. The disks are copied first:
        until all are there, the machines keep what they have.

        Raises:
            LabError: there is none of that name, the disk is full, or a machine did not come up.
        """
        self._refuse_unknown(name)
        self.remove_remains()
        kept = self.folder / name
        self._refuse_full_disk([kept / plan.node.name for plan in self.plans])
        awake = [plan for plan in self.plans if _group(plan).can_freeze]
        ran = _facts(kept / FACTS)["running"]
        try:
            with _frozen(awake):
                copies = [(kept / plan.node.name, _new(plan.folder)) for plan in self.plans]
                _copy_all("restore", copies, listen)
                self._swap(name)
            self.start([plan.node for plan in self.plans if plan.node.name in ran], listen)
        finally:
            # The machines start meanwhile.
            self.remove_remains()

    def delete(self, name: str) -> None:
        """Delete a snapshot.

        Raises:
            LabError: there is none of that name, or a restore has to be finished from it.
        """
        self._refuse_unknown(name)
        if self.half_restored == name:
            self.refuse_half_restored()
        (self.folder / name).rename(self.folder / f".{name}.old")
        self.remove_remains()

    @property
    def half_restored(self) -> str:
        """The snapshot whose restore was cut off while it changed disks; empty for none."""
        return self._marker.read_text(encoding="utf-8") if self._marker.is_file() else ""

    def refuse_half_restored(self) -> None:
        """Refuse to go on with machines of which some have disks of a snapshot, and some not.

        Raises:
            LabError: a restore was cut off.
        """
        if name := self.half_restored:
            raise LabError(
                f"the restore of snapshot {name!r} was cut off",
                "Some machines may have its disks, and others those of before.",
                f"Run `kubelab snapshot restore {name}` again.",
            )

    def remove_remains(self) -> None:
        """Remove what is left of a save, a restore or a delete; what was cut off, too."""
        mine = [path for path in self.folder.glob(".*") if path != self._marker]
        theirs = [side(plan.folder) for plan in self.plans for side in (_new, _old)]
        for path in (*mine, *theirs):
            if path.exists():
                disks.remove(path)
        with suppress(OSError):
            self.folder.rmdir()

    @property
    def _marker(self) -> Path:
        return self.folder / ".restoring"

    def _swap(self, name: str) -> None:
        """End the machines and change their disks; the marker is there until all have the new."""
        draft = self.folder / ".marker.new"
        draft.write_text(name, encoding="utf-8")
        draft.replace(self._marker)
        for plan in self.plans:
            group = _group(plan)
            group.kill()
            group.remove()
            machine.remove_link(plan.lab, plan.node.name)
        for plan in self.plans:
            if plan.folder.exists():
                plan.folder.rename(_old(plan.folder))
            _new(plan.folder).rename(plan.folder)
        self._marker.unlink()

    @contextmanager
    def _halted(self, running: Sequence[MachinePlan], listen: Listener) -> Iterator[None]:
        """Frozen for the length of a block; shut down and started where there is no freezer."""
        if all(_group(plan).can_freeze for plan in running):
            with _frozen(running):
                yield
            return
        nodes = [plan.node for plan in running]
        self.stop(nodes, listen)
        try:
            yield
        finally:
            self.start(nodes, listen)

    def _refuse_missing(self) -> None:
        lacking = [plan.node.name for plan in self.plans if not plan.folder.is_dir()]
        if lacking:
            raise LabError(f"no machine {', '.join(lacking)}", "", "Run `kubelab up` first.")
        old = [plan.node.name for plan in self.plans if not plan.mounts_file.is_file()]
        if old:
            why = "It is not written down which folders of this host they see."
            hint = "Run `kubelab up` first, which writes that down."
            raise LabError(f"{', '.join(old)}: made by an older kubelab", why, hint)

    def _refuse_unknown(self, name: str) -> None:
        have = [snapshot.name for snapshot in self.list()]
        if name not in have:
            offer = f"There are: {', '.join(have)}" if have else "There are none."
            raise LabError(f"no snapshot {name!r}", offer, "`kubelab snapshot list` shows them.")

    def _refuse_full_disk(self, machines: Sequence[Path]) -> None:
        wanted = sum(map(disks.size_mib, machines)) + SPARE_MIB
        place = self.folder.parent
        free = psutil.disk_usage(str(place)).free // 2**20
        if free < wanted:
            raise HostError(
                "no room for another copy of the machines' disks",
                f"{free} MiB free under {place}, {wanted} needed.",
                "Make room there; `kubelab snapshot delete NAME` removes a snapshot.",
            )


def _group(plan: MachinePlan) -> MachineGroup:
    return MachineGroup(plan.lab, plan.node.name)


def _new(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.new")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _facts(file: Path) -> dict[str, Any]:
    return read_json(file, f"Remove that snapshot: `rm -r {shlex.quote(str(file.parent))}`.")


@contextmanager
def _frozen(plans: Sequence[MachinePlan]) -> Iterator[None]:
    """All machines halt at once, for the length of a block."""
    groups = [_group(plan) for plan in plans]
    try:
        for group in groups:
            group.freeze()
        yield
    finally:
        for group in groups:
            group.thaw()


def _copy_all(verb: str, copies: Sequence[tuple[Path, Path]], listen: Listener) -> None:
    """Copy the disks of machines, each from one folder to another; all at the same time."""

    def copy(source: Path, into: Path) -> None:
        listen(Event(PHASE, verb, "start", source.name))
        disks.copy(source, into)
        listen(Event(PHASE, verb, "changed", source.name))

    with ThreadPoolExecutor(max_workers=4) as pool:
        for future in [pool.submit(copy, *pair) for pair in copies]:
            future.result()
