"""Stores of docker's that machines start from: they share no file that one of them writes."""

import os
import stat
from ipaddress import IPv4Network

import pytest

from provisioner.model import MachineImage, Node
from provisioner.providers.nspawn import disks, machine
from provisioner.providers.nspawn.baked import clone
from provisioner.providers.nspawn.provider import MachineProvider
from provisioner.shell import Result

NODE = Node("one", "worker", "10.77.0.10", 1, 512)

NOTES = ("link", "lower", "committed")


@pytest.fixture(autouse=True)
def untethered(monkeypatch):
    """It needs root, and only matters where we are killed."""
    monkeypatch.setattr(disks, "TETHER", ())


@pytest.fixture
def store(tmp_path):
    """A store as docker's overlay2 makes it, of one layer."""
    store = tmp_path / "cache/docker"
    content = store / "overlay2/0a1b/diff/usr/bin"
    content.mkdir(parents=True)
    (content / "tool").write_text("program")
    (content / "tool").chmod(0o4755)
    (content / "alias").symlink_to("tool")
    (content.parent / "tmp").mkdir()
    (content.parent / "tmp").chmod(0o1777)
    for name in NOTES:
        (store / "overlay2/0a1b" / name).write_text("SHORT")
    (store / "overlay2/l").mkdir()
    (store / "overlay2/l/SHORT").symlink_to("../0a1b/diff")
    (store / "image/overlay2").mkdir(parents=True)
    (store / "image/overlay2/repositories.json").write_text("{}")
    return store


def files(folder):
    return {
        str(path.relative_to(folder)): path.lstat()
        for path in folder.rglob("*")
        if stat.S_ISREG(path.lstat().st_mode)
    }


def test_machines_share_the_content_of_layers_and_no_file_that_docker_writes(store, tmp_path):
    clone(store, tmp_path / "one/docker")
    clone(store, tmp_path / "two/docker")
    original, one, two = (
        files(store),
        files(tmp_path / "one/docker"),
        files(tmp_path / "two/docker"),
    )
    assert original.keys() == one.keys() == two.keys()
    for name in original:
        inodes = {found[name].st_ino for found in (original, one, two)}
        assert len(inodes) == (1 if "/diff/" in name else 3), name


@pytest.mark.parametrize("linked", [True, False], ids=["by links", "by copies"])
def test_a_clone_is_what_the_store_is(linked, store, tmp_path, monkeypatch):
    if not linked:
        run = disks.run
        refused = Result((), 1, "", "cp: cannot create hard link: Invalid cross-device link")
        monkeypatch.setattr(
            disks, "run", lambda argv, **more: refused if "--link" in argv else run(argv, **more)
        )
    made = tmp_path / "docker"
    clone(store, made)
    for path in [store, *store.rglob("*")]:
        there, known = made / path.relative_to(store), path.lstat()
        if path != store:
            assert there.lstat().st_mode == known.st_mode, there
            assert there.lstat().st_mtime_ns == known.st_mtime_ns or path.is_dir(), there
        if path.is_symlink():
            assert there.readlink() == path.readlink()
        elif path.is_file():
            assert there.read_bytes() == path.read_bytes()
            shared = there.lstat().st_ino == known.st_ino
            assert shared == (linked and "diff" in path.parts), there
    assert made.stat().st_mode & 0o777 == 0o710


def test_what_a_killed_run_had_cloned_is_cloned_anew(store, tmp_path):
    half = tmp_path / ".docker.new/overlay2"
    half.mkdir(parents=True)
    (half / "rest").write_text("")
    clone(store, tmp_path / "docker")
    assert sorted(os.listdir(tmp_path)) == ["cache", "docker"]
    assert not (tmp_path / "docker/overlay2/rest").exists()


def test_a_machine_keeps_the_disk_that_it_has(store, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "uplink_mtu", lambda: 1400)
    lab = MachineProvider("lab", tmp_path / "lab", [NODE], IPv4Network("10.77.0.0/24"), ())
    image = MachineImage("root", tmp_path, docker_store=store)
    plan = lab._plan(NODE)
    machine.prepare(plan, image, "ssh-ed25519 AAAA lab")
    tags = plan.docker / "image/overlay2/repositories.json"
    assert tags.read_text() == "{}"
    tags.write_text("its own")
    machine.prepare(plan, image, "ssh-ed25519 AAAA lab")
    assert tags.read_text() == "its own"
