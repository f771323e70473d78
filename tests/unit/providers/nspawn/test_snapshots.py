"""Snapshots of machines that do not run, and what a kill leaves of a save or a restore."""

from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest

from provisioner.errors import HostError, LabError
from provisioner.model import Node
from provisioner.providers.nspawn import cgroups, disks, machine, snapshots
from provisioner.providers.nspawn.machine import MachinePlan
from provisioner.providers.nspawn.network import LabNetwork
from provisioner.providers.nspawn.snapshots import Snapshots

NODES = [Node(name, "worker", "10.77.0.10", 1, 512) for name in ("one", "two")]


class Killed(BaseException):
    """What ends a save or a restore at some point; nothing catches it."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store of a lab whose machines have one file each, and do not run."""
    monkeypatch.setattr(disks, "TETHER", ())
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path / "freezer"])
    monkeypatch.setattr(machine, "remove_link", lambda lab, node: None)
    network = LabNetwork("lab", IPv4Network("10.77.0.0/24"), (), True)
    plans = [MachinePlan("lab", n, tmp_path / "lab/machines" / n.name, network) for n in NODES]
    for plan in plans:
        plan.upper.mkdir(parents=True)
        plan.mounts_file.write_text("{}")
    calls = []

    def note(nodes, listen):
        calls.append([node.name for node in nodes])

    found = Snapshots(tmp_path / "lab/snapshots", plans, stop=note, start=note)
    found.calls = calls
    write(found, "first")
    return found


def write(store, text):
    for plan in store.plans:
        (plan.upper / "file").write_text(text)


def read(store):
    return [(plan.upper / "file").read_text() for plan in store.plans]


def save(store, name):
    store.save(name, lambda event: None)


def restore(store, name):
    store.restore(name, lambda event: None)


def leftovers(store):
    hidden = [*store.folder.glob(".*"), *store.folder.parent.glob("machines/.*")]
    return sorted(path.name for path in hidden)


def killed_at(monkeypatch, target, name, call):
    """End what is done at a call of a function, the first being 1; what was done is left as it is.

    A process that is killed cleans nothing up.
    """
    real, count = getattr(target, name), [0]

    def counted(*words, **more):
        count[0] += 1
        if count[0] == call:
            raise Killed
        return real(*words, **more)

    monkeypatch.setattr(target, name, counted)
    monkeypatch.setattr(Snapshots, "remove_remains", lambda self: None)


def test_a_snapshot_brings_disks_back_as_often_as_one_likes(store):
    save(store, "s")
    for text in ("second", "third"):
        write(store, text)
        restore(store, "s")
        assert read(store) == ["first", "first"]
    assert leftovers(store) == []


def test_a_deleted_snapshot_leaves_nothing(store):
    save(store, "s")
    store.delete("s")
    assert not store.folder.exists()


@pytest.mark.parametrize("call", [1, 2])
def test_of_a_save_that_is_killed_there_is_no_snapshot(store, call):
    with pytest.MonkeyPatch.context() as until, pytest.raises(Killed):
        killed_at(until, disks, "copy", call)
        save(store, "s")
    assert leftovers(store) == [".s.new"]
    assert store.list() == []
    save(store, "s")
    assert [snapshot.name for snapshot in store.list()] == ["s"]
    assert leftovers(store) == []


def test_a_save_that_fails_leaves_nothing(store, monkeypatch):
    monkeypatch.setattr(disks, "copy", lambda *_: (_ for _ in ()).throw(LabError("disk is full")))
    with pytest.raises(LabError, match="disk is full"):
        save(store, "s")
    assert not store.folder.exists()


def test_a_restore_that_is_killed_while_it_copies_leaves_the_disks_as_they_are(store):
    save(store, "s")
    write(store, "second")
    with pytest.MonkeyPatch.context() as until, pytest.raises(Killed):
        killed_at(until, disks, "copy", 2)
        restore(store, "s")
    assert read(store) == ["second", "second"]
    assert not store.half_restored
    restore(store, "s")
    assert read(store) == ["first", "first"]
    assert leftovers(store) == []


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_restore_that_is_killed_while_disks_change_is_named_until_it_is_repeated(store, call):
    save(store, "s")
    write(store, "second")
    with pytest.MonkeyPatch.context() as until, pytest.raises(Killed):
        killed_at(until, type(store.folder), "rename", call)
        restore(store, "s")
    assert store.half_restored == "s"
    for refused in (
        store.refuse_half_restored,
        lambda: save(store, "t"),
        lambda: store.delete("s"),
    ):
        with pytest.raises(LabError, match="restore of snapshot 's' was cut off") as caught:
            refused()
        assert "kubelab snapshot restore s" in caught.value.hint
    restore(store, "s")
    assert not store.half_restored
    assert read(store) == ["first", "first"]
    assert leftovers(store) == []


def test_a_snapshot_that_lacks_a_machine_of_the_lab_is_not_offered(store):
    save(store, "s")
    store.plans = [*store.plans, MachinePlan("lab", Node("three", "worker", "", 1, 1), None, None)]
    assert store.list() == []
    with pytest.raises(LabError, match="no snapshot 's'"):
        restore(store, "s")


def test_machines_that_are_not_made_cannot_be_saved(store):
    disks.remove(store.plans[1].folder)
    with pytest.raises(LabError, match="no machine two"):
        save(store, "s")


def test_a_full_disk_is_refused_before_anything_is_copied(store, monkeypatch):
    little = SimpleNamespace(free=2**30)
    monkeypatch.setattr(snapshots.psutil, "disk_usage", lambda _: little)
    with pytest.raises(HostError, match="no room") as caught:
        save(store, "s")
    assert "1024 MiB free" in caught.value.details
    assert not store.folder.exists()


@pytest.fixture
def frozen(store, monkeypatch):
    """What each machine's freezer holds while disks are copied."""
    found = []

    def copy(machine, into):
        found.append([(path / "freezer.state").read_text() for path in paths])
        into.mkdir()

    paths = [cgroups.MachineGroup("lab", node.name).paths()[0] for node in NODES]
    for path in paths:
        path.mkdir(parents=True)
        (path / "freezer.state").write_text("THAWED")
        (path / "cgroup.procs").write_text("12\n")
    monkeypatch.setattr(disks, "copy", copy)
    found.append(paths)
    return found


def test_all_machines_are_frozen_while_any_disk_is_copied(store, frozen):
    save(store, "s")
    paths, *seen = frozen
    assert seen == [["FROZEN", "FROZEN"]] * 2
    assert [(path / "freezer.state").read_text() for path in paths] == ["THAWED"] * 2
    assert store.calls == []
    assert [snapshot.running for snapshot in store.list()] == [True]


def test_machines_go_on_after_a_save_that_fails(store, frozen, monkeypatch):
    monkeypatch.setattr(disks, "copy", lambda *_: (_ for _ in ()).throw(LabError("disk is full")))
    with pytest.raises(LabError, match="disk is full"):
        save(store, "s")
    assert [(path / "freezer.state").read_text() for path in frozen[0]] == ["THAWED"] * 2


def test_without_a_freezer_machines_are_stopped_and_started(store, frozen, monkeypatch):
    for path in frozen[0]:
        (path / "freezer.state").unlink()
    monkeypatch.setattr(disks, "copy", lambda machine, into: into.mkdir())
    save(store, "s")
    # Stopped, then started.
    assert store.calls == [["one", "two"], ["one", "two"]]
    assert [snapshot.running for snapshot in store.list()] == [True]
