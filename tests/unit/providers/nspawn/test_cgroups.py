"""Cgroups of a machine, on folders that look like the kernel's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioner.errors import LabError
from provisioner.providers.nspawn import cgroups
from provisioner.providers.nspawn.cgroups import MachineGroup, groups_of


@pytest.fixture
def places(monkeypatch, tmp_path):
    found = [tmp_path / "memory", tmp_path / "freezer"]
    for place in found:
        place.mkdir()
    monkeypatch.setattr(cgroups, "hierarchies", lambda: found)
    return found


def test_processes_of_all_hierarchies_and_depths_are_found_once(places):
    group = MachineGroup("lab", "node")
    for path, inside in zip(group.paths(), ("", "payload/init.scope"), strict=True):
        (path / inside).mkdir(parents=True)
        (path / inside / "cgroup.procs").write_text("12\n0\n13\n")
    assert group.processes() == {12, 13}


def test_groups_that_come_and_go_while_one_looks_are_no_error(places):
    group = MachineGroup("lab", "node")
    top = group.paths()[0]
    top.mkdir(parents=True)
    done = threading.Event()

    def come_and_go():
        while not done.is_set():
            for number in range(20):
                (top / f"{number}" / "a.service").mkdir(parents=True)
            for number in range(20):
                (top / f"{number}" / "a.service").rmdir()
                (top / f"{number}").rmdir()

    with ThreadPoolExecutor(1) as pool:
        restless = pool.submit(come_and_go)
        try:
            assert all(group.processes() == set() for _ in range(300))
        finally:
            done.set()
        restless.result()


def test_removing_takes_the_empty_parents_along_and_leaves_other_labs(places):
    mine, other = MachineGroup("mine", "node"), MachineGroup("other", "node")
    for path in mine.paths():
        (path / "payload" / "deep").mkdir(parents=True)
    other.paths()[0].mkdir(parents=True)
    assert groups_of("mine") == [mine]
    mine.remove()
    assert groups_of("mine") == []
    assert other.paths()[0].is_dir()
    assert not (places[1] / cgroups.TOP).exists()


@pytest.mark.parametrize(("file", "most"), [("cpu.shares", 262144), ("cpu.weight", 10000)])
def test_a_lab_weighs_as_much_as_its_machines_together(places, file, most):
    weights = {"cpu.shares": 1024, "cpu.weight": 100}
    nodes = [MachineGroup("lab", name) for name in ("one", "two")] + [MachineGroup("other", "one")]
    for node in nodes:
        path = node.paths()[0]
        for group in (path.parent.parent, path.parent, path):
            group.mkdir(exist_ok=True)
            # The kernel makes it with the group.
            (group / file).write_text(f"{weights[file]}\n")
        node.make(cpus=2, memory_mib=64, pids=100)
    top = places[0] / cgroups.TOP
    assert (top / "lab" / file).read_text() == f"{2 * weights[file]}"
    assert (top / file).read_text() == f"{3 * weights[file]}"
    (nodes[0].paths()[0] / file).write_text(f"{most + 1}")
    nodes[1].make(cpus=2, memory_mib=64, pids=100)
    assert (top / "lab" / file).read_text() == f"{most}"


def test_a_machine_is_frozen_whole_and_goes_on(places):
    group = MachineGroup("lab", "node")
    switch = group.paths()[1] / "freezer.state"
    assert not group.can_freeze
    switch.parent.mkdir(parents=True)
    switch.write_text("THAWED")
    (switch.parent / "freezer.self_freezing").write_text("0\n")
    group.freeze()
    assert switch.read_text() == "FROZEN"
    # The kernel tells there whether we asked for it.
    assert not group.is_frozen
    (switch.parent / "freezer.self_freezing").write_text("1\n")
    assert group.is_frozen
    group.thaw()
    assert switch.read_text() == "THAWED"


def test_with_cgroup_v2_the_kernel_says_when_all_processes_halt(places, monkeypatch):
    monkeypatch.setattr(cgroups, "FREEZE_SECONDS", 0.1)
    group = MachineGroup("lab", "node")
    switch = group.paths()[0] / "cgroup.freeze"
    switch.parent.mkdir(parents=True)
    switch.write_text("0")
    events = switch.with_name("cgroup.events")
    events.write_text("populated 1\nfrozen 1\n")
    group.freeze()
    assert group.is_frozen
    events.write_text("populated 1\nfrozen 0\n")
    with pytest.raises(LabError, match="node: cannot be frozen"):
        group.freeze()
    assert not group.is_frozen
