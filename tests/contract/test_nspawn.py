"""Machine containers, held to what every provider must do; and what only they can get wrong."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import root_step
from provisioner.artifacts.store import Store
from provisioner.catalog.load import load_catalog
from provisioner.errors import LabError
from provisioner.lab import cache
from provisioner.model import MachineImage, Node
from provisioner.providers.nspawn.cgroups import MachineGroup
from provisioner.providers.nspawn.provider import MachineProvider
from tests.contract.provider import DiskContract, Subject
from tests.hosts import host_state, settled_changes
from tests.labs import HOME

NODES = [
    Node("one", "control-plane", "10.84.0.10", 1, 512),
    Node("two", "worker", "10.84.0.11", 1, 512),
]


def image() -> MachineImage:
    step = root_step(Workshop(load_catalog({}), cache()))
    root = Store(cache() / "built").path(step.name, step.key) / "tree"
    assert root.is_dir(), "run `kubelab artifacts build` first"
    return MachineImage("root", root)


def provider(folder: Path = HOME / "contract") -> MachineProvider:
    inside = (IPv4Network("10.244.0.0/16"),)
    return MachineProvider("prov", folder, NODES, IPv4Network("10.84.0.0/24"), inside)


class TestMachines(DiskContract):
    @pytest.fixture
    def subject(self):
        before, found = host_state(), provider()
        yield Subject(found, NODES, image())
        found.destroy(print)
        assert settled_changes(before) == []
        assert not list(found.folder.glob("*"))
        shutil.rmtree(found.folder, ignore_errors=True)

    def test_frozen_machines_are_told_as_paused_and_go_on(self, subject):
        subject.create()
        for node in NODES:
            subject.provider.exec(node, ["touch", "/run/since-boot"])
            MachineGroup(subject.provider.label, node.name).freeze()
        assert subject.states() == ["paused", "paused"]
        subject.create()
        assert subject.states() == ["running", "running"]
        assert all(subject.has(node, "/run/since-boot") for node in NODES)

    def test_after_a_save_that_was_killed_there_is_no_snapshot_and_machines_go_on(
        self, subject, store
    ):
        subject.create()
        subject.provider.exec(NODES[0], ["touch", "/run/since-boot"])
        fill(subject.provider)
        draft = store.folder / ".one.new"
        killed_when(f"{SNAPSHOTS}.save('one', print)", lambda: any(draft.rglob("ballast")))
        assert store.list() == []
        assert subject.states() == ["paused", "paused"]
        subject.create()
        assert subject.has(NODES[0], "/run/since-boot")
        assert not store.folder.exists()
        self.save(subject, store, "one")
        assert [snapshot.name for snapshot in store.list()] == ["one"]

    def test_a_restore_that_was_killed_while_it_copied_changed_no_disk(self, subject, store):
        subject.create()
        fill(subject.provider)
        self.save(subject, store, "one")
        subject.provider.exec(NODES[0], ["touch", "/root/after"])
        draft = subject.provider.folder / "machines/.one.new"
        killed_when(f"{SNAPSHOTS}.restore('one', print)", lambda: any(draft.rglob("ballast")))
        subject.create()
        assert subject.has(NODES[0], "/root/after")
        self.restore(subject, store, "one")
        assert not subject.has(NODES[0], "/root/after")
        assert not list((subject.provider.folder / "machines").glob(".*"))

    def test_a_half_done_restore_is_refused_by_name_until_it_is_repeated(self, subject, store):
        subject.create()
        self.save(subject, store, "one")
        # As a kill leaves it between the disks of two machines.
        (store.folder / ".restoring").write_text("one")
        subject.stop()
        machine = subject.provider.folder / "machines/two"
        machine.rename(machine.with_name(".two.old"))
        with pytest.raises(LabError, match="restore of snapshot 'one' was cut off"):
            subject.create()
        self.restore(subject, store, "one")
        assert subject.states() == ["running", "running"]
        assert not list((subject.provider.folder / "machines").glob(".*"))


SNAPSHOTS = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.contract.test_nspawn import provider
provider().snapshots"""


def fill(machines: MachineProvider) -> None:
    """Give the machines a file that takes a while to copy."""
    for node in NODES:
        machines.exec(node, ["dd", "if=/dev/urandom", "of=/root/ballast", "bs=1M", "count=400"])


def killed_when(code: str, begun: Callable[[], bool]) -> None:
    """Kill a process of ours as soon as it has begun with something, and before it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not begun() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait(10)
