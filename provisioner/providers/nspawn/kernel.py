"""Settings of this host's kernel that all machines share: raised while there is a lab.

Machines have no kernel of their own, so limits that a host has for itself are those of all machines
together. What was before is kept until the last lab has gone, and ends with the host's uptime, as
the settings do.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostError
from provisioner.providers.nspawn import hostlock

SYSCTLS = Path("/proc/sys")
# A lab of an earlier version recorded there that this host had not forwarded packets.
OLD_RECORD = Path("/run/kubelab-ip_forward")
# A machine may have so many processes and threads, and no more.
PIDS = 8192


@dataclass(frozen=True)
class Setting:
    """A setting and what labs need: ``base`` for the host itself, and more ``each`` machine.

    Without ``exact``, a higher value serves as well.
    """

    name: str
    base: int
    each: int = 0
    exact: bool = False

    @property
    def file(self) -> Path:
        """Where the kernel has it."""
        return SYSCTLS / self.name.replace(".", "/")

    def read(self) -> int | None:
        """Its value; None where this kernel has no such setting."""
        return int(self.file.read_text()) if self.file.is_file() else None

    def wanted(self, machines: int) -> int:
        """The value that so many machines need."""
        return self.base + self.each * machines

    def suffices(self, machines: int) -> bool:
        """Whether it is enough for so many machines, or this kernel does not have it."""
        now, wanted = self.read(), self.wanted(machines)
        return now is None or now == wanted or (now > wanted and not self.exact)


SETTINGS = (
    Setting("net.ipv4.ip_forward", 1),
    # All machines run as the same user. Eight of them were seen to use 99 instances.
    Setting("fs.inotify.max_user_instances", 128, 64),
    Setting("fs.inotify.max_user_watches", 8192, 16384),
    Setting("kernel.pid_max", 32768, PIDS),
    Setting("kernel.threads-max", 32768, PIDS),
    Setting("fs.file-max", 65536, 65536),
    # Connections of machines pass this host's bridge.
    Setting("net.netfilter.nf_conntrack_max", 65536, 16384),
    # Each machine knows the others and its pods; above the second one the kernel forgets some.
    Setting("net.ipv4.neigh.default.gc_thresh2", 512, 256),
    Setting("net.ipv4.neigh.default.gc_thresh3", 1024, 512),
    # Each container has a key. Those of root have limits of their own, which kubelet asks for.
    Setting("kernel.keys.maxkeys", 200, 200),
    Setting("kernel.keys.maxbytes", 20000, 20000),
    Setting("kernel.keys.root_maxkeys", 1000000, exact=True),
    Setting("kernel.keys.root_maxbytes", 25000000, exact=True),
    # kubelet does not start where these differ and it cannot set them, and machines cannot.
    Setting("vm.overcommit_memory", 1, exact=True),
    Setting("vm.panic_on_oom", 0, exact=True),
    Setting("kernel.panic", 10, exact=True),
    Setting("kernel.panic_on_oops", 1, exact=True),
)


def lacking(machines: int) -> list[Setting]:
    """The settings that do not suffice for so many machines."""
    return [setting for setting in SETTINGS if not setting.suffices(machines)]


def refused(machines: int) -> list[Setting]:
    """Those of them that cannot be changed on this host."""
    return [setting for setting in lacking(machines) if not os.access(setting.file, os.W_OK)]


def fitting(machines: int) -> int:
    """How many machines, of so many, this host's settings serve as far as they can be changed."""
    counts = range(machines, 0, -1)
    return next((count for count in counts if not refused(count)), 0)


def hint_for(machines: int) -> str:
    """What to type where settings do not suffice and cannot be changed."""
    words = " ".join(f"{setting.name}={setting.wanted(machines)}" for setting in refused(machines))
    fits = fitting(machines)
    fewer = f", or use fewer machines: {fits} fit" if fits else ""
    return f"Set them where kubelab may not, by `sysctl -w {words}`{fewer}."


def raise_for(machines: int) -> None:
    """Set what does not suffice for so many machines. The caller holds the lock of the host.

    Raises:
        HostError: this host does not let it be changed.
    """
    lacks = lacking(machines)
    if not lacks:
        return
    if fixed := refused(machines):
        why = "; ".join(f"{s.name} is {s.read()}, {s.wanted(machines)} needed" for s in fixed)
        raise HostError("settings of this host's kernel do not suffice", why, hint_for(machines))
    record = _record()
    for setting in lacks:
        known = record.setdefault(setting.name, {"before": int(setting.file.read_text())})
        known["set"] = setting.wanted(machines)
    # It is written first: a setting that a killed command did not get to change is left alone then.
    _write(record)
    for setting in lacks:
        setting.file.write_text(str(record[setting.name]["set"]))


def put_back() -> None:
    """Set what was before the first lab, but for what somebody else has changed since."""
    for name, values in _record().items():
        setting = Setting(name, 0)
        if setting.read() == values["set"]:
            setting.file.write_text(str(values["before"]))
    _file().unlink(missing_ok=True)
    OLD_RECORD.unlink(missing_ok=True)


def _file() -> Path:
    return hostlock.FOLDER / "kernel.json"


def _record() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    if OLD_RECORD.is_file():
        found["net.ipv4.ip_forward"] = {"before": 0, "set": 1}
    if _file().is_file():
        found |= json.loads(_file().read_text(encoding="utf-8"))
    return found


def _write(record: Mapping[str, Mapping[str, int]]) -> None:
    draft = _file().with_suffix(".new")
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(_file())
