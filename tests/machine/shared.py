"""The provider that these tests use alone, and its calls in processes that can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import psutil

from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import root_step
from provisioner.artifacts.store import Store
from provisioner.catalog.load import load_catalog
from provisioner.lab import cache
from provisioner.model import Event, MachineImage, Node
from provisioner.providers.nspawn.cgroups import MachineGroup
from provisioner.providers.nspawn.provider import MachineProvider
from tests.labs import HOME, PROJECT

NODES = [
    Node("one", "control-plane", "10.82.0.10", 1, 512),
    Node("two", "worker", "10.82.0.11", 1, 512),
]
SECONDS = 60
# A shell starts background jobs with SIGINT ignored, and what they start inherits that.
ALONE = f"""
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(PROJECT)!r})
from tests.machine.shared import NODES, image, provider, wait_for_leave
"""
CALLS = {
    "create": f"{ALONE}provider().create(NODES, image(), wait_for_leave)",
    "stop": f"{ALONE}provider().stop(NODES, wait_for_leave)",
    "destroy": f"{ALONE}provider().destroy(wait_for_leave)",
}


def image() -> MachineImage:
    step = root_step(Workshop(load_catalog({}), cache()))
    root = Store(cache() / "built").path(step.name, step.key) / "tree"
    assert root.is_dir(), "run `kubelab artifacts build` first"
    return MachineImage("root", root)


def provider(folder: Path = HOME / "machines-only") -> MachineProvider:
    inside = (IPv4Network("10.244.0.0/16"),)
    return MachineProvider("only", folder, NODES, IPv4Network("10.82.0.0/24"), inside)


def ignore(event: Event) -> None:
    pass


def wait_for_leave(event: Event) -> None:
    """In the process that is to be killed: tell an event, and go on when the test says so."""
    # In one write: each machine has a thread of its own.
    os.write(1, f"{json.dumps([event.task, event.status, event.host])}\n".encode())
    sys.stdin.readline()


class Victim:
    """A call of the provider in a process of its own, until a moment of it."""

    def __init__(self, call: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLS[call]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def until_event(self, task: str, status: str) -> None:
        """It waits in that event: nothing more happens in the thread that told it."""
        for line in self.process.stdout:
            if json.loads(line)[:2] == [task, status]:
                return
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        raise AssertionError(f"no {task} {status}")

    def until(self, there: Callable[[], object]) -> None:
        """Let it go on through all its events until ``there()`` finds something."""
        self.process.stdin.write("\n" * 100)
        self.process.stdin.flush()
        deadline = time.monotonic() + SECONDS
        while not there():
            assert self.process.poll() is None, "it had ended before"
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def at_work(self) -> bool:
        """Whether its threads, one a machine, are at it."""
        return psutil.Process(self.process.pid).num_threads() > len(NODES)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.process.poll() is None, "it had ended before"
        self.process.send_signal(number)
        code = self.process.wait(10)
        # Python's own way to end by Ctrl-C is the signal, too.
        assert code == -number, code


def stop_at(call: str, moment: str) -> None:
    """Kill a call at a moment of it: an event that it waits in, or what the kernel shows of it."""
    machines = provider()
    group = MachineGroup(machines.label, "one")
    many = len(group.processes())
    victim = Victim(call)
    seen: dict[str, Callable[[], object]] = {
        "key": (machines.folder / "ssh/id_ed25519").exists,
        "bridge": Path("/sys/class/net", machines.net.bridge).exists,
        "group": lambda: any(path.is_dir() for path in group.paths()),
        "process": group.processes,
        # Its services end one after another; systemd itself is the last.
        "going down": lambda: len(group.processes()) <= many // 2,
        "no bridge": lambda: not Path("/sys/class/net", machines.net.bridge).exists(),
    }
    if moment in seen:
        victim.until(seen[moment])
    else:
        victim.until_event(*moment.split())
    victim.kill()


def is_going_down(machines: MachineProvider, node: Node) -> bool:
    """Whether the machine's systemd was told to power off."""
    asked = machines.exec(node, ["systemctl", "is-system-running"], check=False)
    return (
        asked.stdout.strip() == "stopping"
        or not MachineGroup(machines.label, node.name).processes()
    )
