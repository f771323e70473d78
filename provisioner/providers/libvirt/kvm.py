"""Whether KVM boots a guest: a tiny one is started, does some work, and has to be done in time.

That /dev/kvm opens and answers proves nothing. There are hosts on which a guest runs a hundred
times slower than under emulation, so that a kernel seems to hang while it unpacks itself.
"""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from provisioner.errors import CommandError
from provisioner.shell import run

DEVICE = Path("/dev/kvm")
# The name of QEMU's program; that of EL is in no folder of commands.
QEMU = "qemu-system-x86_64"
QEMU_OF_EL = Path("/usr/libexec/qemu-kvm")
SOURCE = Path(__file__).with_name("kvm_probe.s")
# The guest is done in 0.2 s by emulation on two cores; a KVM worth using is not slower than that.
DEADLINE = 6.0
DONE = "kubelab guest ran"

# The boot sector that kvm_probe.s assembles to; a unit test compares the two.
GUEST = (
    bytes.fromhex(
        "fa31c08ed88ec08ed0bc007c0f0116007d0f20c00c010f22c0ea1e7c080066b810008ed88ec08ed0"
        "bf000001000f22df31c0b9000c0000f3abc7050000010003100100c7050010010003200100b88300"
        "0000bf00200100b9000200008907050000200083c708e2f40f20e083c8200f22e0b9800000c00f32"
        "0d000100000f300f20c00d000000800f22c0ea917c00001800bf00001000b90000800031c0f3abb9"
        "002d310183c00348c1c305ffc975f5bec87c000066baf803ac84c07403eeebf866baf400eef4ebfd"
        "6b7562656c61622067756573742072616e0a0000000000000000000000000000ffff0000009acf00"
        "ffff00000092cf00ffff0000009aaf001f00e07c"
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)


class KvmVerdict(StrEnum):
    """What is known of KVM: broken is there, but boots no guest."""

    USABLE = "usable"
    BROKEN = "broken"
    ABSENT = "absent"
    NO_QEMU = "no-qemu"


@dataclass(frozen=True)
class KvmState:
    """What the probe found."""

    verdict: KvmVerdict
    detail: str
    seconds: float = 0.0


def qemu() -> str:
    """QEMU's program; empty if this host has none."""
    return shutil.which(QEMU) or (str(QEMU_OF_EL) if QEMU_OF_EL.exists() else "")


def boot_guest(accelerator: str, seconds: float = DEADLINE) -> KvmState:
    """Boot the tiny guest with an accelerator of QEMU's (kvm or tcg)."""
    with tempfile.TemporaryDirectory(prefix="kubelab-probe-") as folder:
        disk, serial = Path(folder, "guest.img"), Path(folder, "serial")
        disk.write_bytes(GUEST)
        begin = time.monotonic()
        with suppress(CommandError):
            # The guest ends QEMU itself by way of this device; its exit code is odd, never 0.
            run(
                [
                    *(qemu() or QEMU, "-accel", accelerator, "-m", "128", "-nodefaults"),
                    *("-display", "none", "-no-reboot", "-serial", f"file:{serial}"),
                    *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
                    *("-drive", f"file={disk},format=raw,if=ide,snapshot=on"),
                ],
                check=False,
                timeout=seconds,
            )
        taken = time.monotonic() - begin
        text = serial.read_text(errors="replace") if serial.is_file() else ""
    if DONE in text:
        return KvmState(KvmVerdict.USABLE, f"a guest booted in {taken:.1f} s", taken)
    return KvmState(KvmVerdict.BROKEN, f"a tiny guest was not done after {taken:.1f} s", taken)


@cache
def probe_kvm() -> KvmState:
    """Whether this host's KVM can be used."""
    if not DEVICE.exists():
        return KvmState(
            KvmVerdict.ABSENT, f"no {DEVICE}: no virtualisation, or its module is not loaded"
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return KvmState(KvmVerdict.ABSENT, f"no access to {DEVICE}: be root, or in the group kvm")
    return boot_guest("kvm")


def nested() -> bool:
    """Whether guests of this host's KVM may use KVM themselves."""
    files = (Path(f"/sys/module/{name}/parameters/nested") for name in ("kvm_intel", "kvm_amd"))
    return any(file.is_file() and file.read_text().strip() in ("1", "Y") for file in files)
