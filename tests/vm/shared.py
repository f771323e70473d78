"""The virtual machine of these tests, and what libvirt has of it."""

import os
import signal
import subprocess
import time
from pathlib import Path

from provisioner.providers.naming import short

SECONDS = 1800
POOL = Path("/var/lib/libvirt/kubelab")
SPEC = {
    "name": "vm",
    "kubernetes": {"version": "1.20.2"},
    "nodes": [
        {
            "name": "solo",
            "role": "control-plane",
            "address": "10.83.0.10",
            "memory_mib": 3072,
            "disks_gib": [1],
        }
    ],
    "networks": {"node": "10.83.0.0/24"},
    "provider": {
        "name": "vagrant",
        "box": {"name": "debian12", "baked": True},
        "management": "192.168.183.0/24",
    },
}


def virsh(*words):
    done = subprocess.run(["virsh", *words], capture_output=True, text=True)
    return sorted(done.stdout.split())


def libvirt_state():
    """All of libvirt that a lab touches and has to leave as it was."""
    return {
        "domains": virsh("list", "--all", "--name"),
        "networks": virsh("net-list", "--all", "--name"),
        "pools": virsh("pool-list", "--all", "--name"),
        "files": sorted(str(path) for path in POOL.rglob("*")) if POOL.is_dir() else [],
    }


def domain_of(lab):
    """The name at libvirt of the lab's machine."""
    return f"kubelab-{lab.name}-{short(str(lab.dir.resolve()), 6)}-solo"


def killed_when(lab, there):
    """Kill an ``up`` as soon as ``there()`` finds something, and return that."""
    process, found, end = lab.start("up", "-f", str(lab.spec)), [], time.monotonic() + SECONDS
    while not found and process.poll() is None and time.monotonic() < end:
        found = there()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return found
