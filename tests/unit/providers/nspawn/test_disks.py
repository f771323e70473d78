"""Copies of a machine's disks: what is shared, what is not, and what is left out."""

import os

import pytest

from provisioner.providers.nspawn import disks


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The folder of a machine with two image layers and a container, of which one is half made."""
    # It needs root, and only matters where we are killed.
    monkeypatch.setattr(disks, "TETHER", ())
    folder = tmp_path / "one"
    files = {
        "upper/etc/hostname": "one\n",
        "kubelet/config.yaml": "x",
        "mounts.json": "{}",
        "console.log": "booted",
        "work/index": "",
        "docker/image/overlay2/layerdb/sha256/aa/cache-id": "layer1\n",
        "docker/image/overlay2/layerdb/mounts/cc/mount-id": "container",
        "docker/overlay2/layer1/diff/bin/sh": "program",
        "docker/overlay2/layer1/link": "ABC",
        "docker/overlay2/half-made/diff/file": "half",
        "docker/overlay2/container/diff/log": "written",
        "docker/containers/cc/config.json": "{}",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "lower").symlink_to("/cache/root")
    (folder / "docker").chmod(0o710)
    return folder


def shared(machine, copy, name):
    return (machine / name).samefile(copy / name)


def test_a_copy_has_all_that_makes_the_machine(machine, tmp_path):
    copy = tmp_path / "copy"
    disks.copy(machine, copy)
    before = {str(p.relative_to(machine)) for p in machine.rglob("*")}
    after = {str(p.relative_to(copy)) for p in copy.rglob("*")}
    assert before - after == {"console.log", "work", "work/index"}
    assert not after - before
    assert (copy / "lower").readlink() == (machine / "lower").readlink()
    assert (copy / "docker").stat().st_mode & 0o777 == 0o710


def test_only_what_docker_never_writes_to_is_shared(machine, tmp_path):
    copy = tmp_path / "copy"
    disks.copy(machine, copy)
    assert shared(machine, copy, "docker/overlay2/layer1/diff/bin/sh")
    for name in (
        "docker/overlay2/layer1/link",
        "docker/overlay2/half-made/diff/file",
        "docker/overlay2/container/diff/log",
        "docker/image/overlay2/layerdb/sha256/aa/cache-id",
        "upper/etc/hostname",
    ):
        assert not shared(machine, copy, name), name
        assert (copy / name).read_text() == (machine / name).read_text()


def test_layers_are_copied_where_links_cannot_be(machine, tmp_path, monkeypatch):
    def run(argv, **more):
        if "--link" in argv:
            argv = ["false"]
        return real(argv, **more)

    real = disks.run
    monkeypatch.setattr(disks, "run", run)
    copy = tmp_path / "copy"
    disks.copy(machine, copy)
    assert (copy / "docker/overlay2/layer1/diff/bin/sh").read_text() == "program"
    assert not shared(machine, copy, "docker/overlay2/layer1/diff/bin/sh")


def test_holes_stay_holes(machine, tmp_path):
    with (machine / "upper/wal").open("wb") as wal:
        wal.truncate(2**26)
    disks.copy(machine, tmp_path / "copy")
    found = (tmp_path / "copy/upper/wal").stat()
    assert found.st_size == 2**26
    assert found.st_blocks * 512 < 2**20


def test_a_machine_without_docker_is_copied(machine, tmp_path):
    disks.remove(machine / "docker")
    disks.copy(machine, tmp_path / "copy")
    assert not (tmp_path / "copy/docker").exists()


def test_layers_do_not_count_as_size(machine):
    (machine / "docker/overlay2/layer1/diff/large").write_bytes(os.urandom(3 * 2**20))
    without = disks.size_mib(machine)
    (machine / "upper/large").write_bytes(os.urandom(5 * 2**20))
    assert disks.size_mib(machine) - without == 5
    assert without < 3
