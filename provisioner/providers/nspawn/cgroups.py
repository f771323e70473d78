"""A cgroup for every machine, in each hierarchy of this host.

Each machine needs its own groups: docker and kubelet make groups of fixed names (docker, kubepods),
which two machines would otherwise share. The groups also hold the limits, and tell which processes
belong to a machine. A process id may be reused; a group is not.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tenacity

from provisioner.errors import HostError, LabError

TOP = "kubelab"
ROOT = Path("/sys/fs/cgroup")
FREEZE_SECONDS = 10.0
# The most that the kernel takes, in cgroup v1 and v2.
HEAVIEST = {"cpu.shares": 262144, "cpu.weight": 10000}
NEEDED = {"cpu", "memory", "pids", "devices", "cpuset"}


def hierarchies() -> list[Path]:
    """The mount points of all cgroup hierarchies: many on v1, one on v2."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and Path(place).is_relative_to(ROOT):
            found.append(Path(place))
    return sorted(set(found))


def missing_controllers() -> set[str]:
    """Controllers that containers need and that this host does not offer."""
    if (ROOT / "cgroup.controllers").is_file():
        return {"cpu", "memory", "pids"} - set((ROOT / "cgroup.controllers").read_text().split())
    return NEEDED - {word for place in hierarchies() for word in place.name.split(",")}


@dataclass(frozen=True)
class MachineGroup:
    """The groups of one machine: the same path in every hierarchy."""

    lab: str
    node: str

    def paths(self) -> list[Path]:
        """One folder a hierarchy."""
        return [place / TOP / self.lab / self.node for place in hierarchies()]

    def make(self, cpus: int, memory_mib: int, pids: int) -> list[Path]:
        """Make the groups and set the limits; returns their folders.

        Raises:
            HostError: the kernel refuses.
        """
        try:
            for path in self.paths():
                path.mkdir(parents=True, exist_ok=True)
                self._limit(path, cpus, memory_mib, pids)
        except OSError as error:
            raise HostError(
                f"{self.node}: cannot make its cgroup",
                str(error),
                "Run as root, with the cgroup hierarchies mounted writable under /sys/fs/cgroup.",
            ) from None
        return self.paths()

    def _limit(self, path: Path, cpus: int, memory_mib: int, pids: int) -> None:
        if (path / "cpuset.cpus").is_file() and (path / "cgroup.clone_children").is_file():
            # A v1 cpuset takes no process before its processors and memory nodes are set.
            for group in (path.parent.parent, path.parent, path):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((group.parent / name).read_text())
        if (path.parents[2] / "cgroup.subtree_control").is_file() and path.parents[2] == ROOT:
            for group in (path.parents[2], path.parents[1], path.parents[0]):
                (group / "cgroup.subtree_control").write_text("+cpu +memory +pids +cpuset +io")
        limits = {
            "memory.limit_in_bytes": f"{memory_mib * 1024 * 1024}",
            "memory.max": f"{memory_mib * 1024 * 1024}",
            "cpu.cfs_quota_us": f"{cpus * 100000}",
            "cpu.max": f"{cpus * 100000} 100000",
            "pids.max": f"{pids}",
        }
        for name, value in limits.items():
            if (path / name).is_file():
                (path / name).write_text(value)
        for group in (path.parent, path.parent.parent):
            _weigh(group)

    def processes(self) -> set[int]:
        """The ids of all processes of the machine, in whatever group below it they are."""
        return {
            int(word)
            for folder in self._folders()
            for word in _read(folder / "cgroup.procs").split()
            if word != "0"
        }

    def memory_mib(self) -> int:
        """What the machine's programs use, without the page cache (the kernel takes that back)."""
        for path in self.paths():
            lines = _read(path / "memory.stat").splitlines()
            stat = dict(line.split() for line in lines if len(line.split()) == 2)
            # In v1 only the total includes the groups below.
            if used := stat.get("total_rss") or stat.get("anon"):
                return int(used) // 2**20
        return 0

    def _switch(self) -> Path | None:
        """The file that freezes the machine; None where this host's kernel has no such thing."""
        names = ("freezer.state", "cgroup.freeze")
        files = (path / name for name in names for path in self.paths())
        return next((file for file in files if file.is_file()), None)

    @property
    def can_freeze(self) -> bool:
        """Whether the machine runs, and this host can freeze it."""
        return self._switch() is not None

    @property
    def is_frozen(self) -> bool:
        """Whether we froze the machine, not only something in it that froze a part."""
        switch = self._switch()
        # In v1 this file has the wish of this group, without those of its parents.
        wish = switch.with_name("freezer.self_freezing") if switch else None
        states = (_read(file).strip() for file in (wish, switch) if file)
        return "1" in states

    def freeze(self) -> None:
        """Halt every process of the machine at once, until it is thawed.

        Raises:
            LabError: some process does not halt.
        """
        switch = self._switch()
        if switch is None:
            return
        v1 = switch.name == "freezer.state"
        switch.write_text("FROZEN" if v1 else "1")
        patience = tenacity.Retrying(
            stop=tenacity.stop_after_delay(FREEZE_SECONDS),
            wait=tenacity.wait_fixed(0.02),
            retry=tenacity.retry_if_result(lambda halted: not halted),
        )
        try:
            if v1:
                patience(lambda: _read(switch).strip() == "FROZEN")
            else:
                patience(lambda: "frozen 1" in _read(switch.with_name("cgroup.events")))
        except tenacity.RetryError:
            self.thaw()
            why = f"A process of it did not halt within {FREEZE_SECONDS:.0f} s."
            raise LabError(f"{self.node}: cannot be frozen", why, "Try again.") from None

    def thaw(self) -> None:
        """Let a frozen machine go on. What something in it has frozen stays frozen."""
        if switch := self._switch():
            _write(switch, "THAWED" if switch.name == "freezer.state" else "0")

    def wait_until_empty(self, seconds: float) -> None:
        """Wait until the machine has no process.

        Raises:
            LabError: it still has one after ``seconds``.
        """
        patience = tenacity.Retrying(
            stop=tenacity.stop_after_delay(seconds),
            wait=tenacity.wait_fixed(0.2),
            retry=tenacity.retry_if_result(bool),
        )
        try:
            patience(self.processes)
        except tenacity.RetryError:
            raise LabError(f"{self.node}: still running after {seconds:.0f} s") from None

    def kill(self) -> None:
        """End every process of the machine, and wait until none is left.

        Raises:
            LabError: some process does not end.
        """
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_delay(20),
            wait=tenacity.wait_fixed(0.05),
            retry=tenacity.retry_if_exception_type(LabError),
            reraise=True,
        ):
            with attempt:
                self._thaw()
                left = self.processes()
                for process in left:
                    _signal(process, signal.SIGKILL)
                if left:
                    some = ", ".join(map(str, sorted(left)[:5]))
                    raise LabError(f"{self.node}: processes do not end: {some}")

    def _thaw(self) -> None:
        # A frozen process ends only when it is thawed. `docker pause` freezes, too.
        for folder in self._folders():
            if _read(folder / "freezer.state").strip() not in ("", "THAWED"):
                _write(folder / "freezer.state", "THAWED")

    def _folders(self) -> Iterator[Path]:
        """The groups and all below, from the top. Some may vanish meanwhile."""
        for path in self.paths():
            yield from (Path(folder) for folder, _, _ in os.walk(path))

    def remove(self) -> None:
        """Remove the groups, from the leaves up, with the lab's own where it is empty then."""
        for folder in reversed(list(self._folders())):
            _rmdir(folder)
        for path in self.paths():
            for parent in (path.parent, path.parent.parent):
                _rmdir(parent)


def _weigh(group: Path) -> None:
    """Let a group weigh as much as the groups below it together, where processors are short.

    By default all machines of all labs together would get what one process of the host gets.
    """
    for name in ("cpu.shares", "cpu.weight"):
        if (group / name).is_file():
            weights = (_read(below / name) for below in group.iterdir() if below.is_dir())
            total = sum(int(weight or 0) for weight in weights)
            (group / name).write_text(f"{min(total, HEAVIEST[name])}")


def labels_of_groups() -> set[str]:
    """The label of every lab that has a group on this host."""
    return {path.name for place in hierarchies() for path in _subfolders(place / TOP)}


def machines_of_others(lab: str) -> int:
    """How many machines of other labs this host has."""
    return sum(len(groups_of(other)) for other in labels_of_groups() - {lab})


def groups_of(lab: str) -> list[MachineGroup]:
    """Every machine of a lab that has a group, known to its spec or not."""
    names = {path.name for place in hierarchies() for path in _subfolders(place / TOP / lab)}
    return [MachineGroup(lab, name) for name in sorted(names)]


def _subfolders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (child for child in path.iterdir() if child.is_dir())


def _rmdir(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:
        # The group was removed meanwhile.
        return


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
