"""What the module of the role storage makes of a disk, with real filesystems in files."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import module_of


@pytest.fixture(scope="module")
def storage():
    return module_of("storage", "storage_volume")


class RefusedError(Exception):
    pass


class Module:
    """As much of AnsibleModule as the functions use, with real commands."""

    def __init__(self, **params):
        self.params = params
        self.warnings = []

    def run_command(self, argv, data=None):
        done = subprocess.run(argv, capture_output=True, text=True, input=data)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, msg):
        raise RefusedError(msg)

    def warn(self, msg):
        self.warnings.append(msg)

    def get_bin_path(self, name):
        return f"/sbin/{name}"


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(400 * 2**20)
    return str(path)


def make(*argv):
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def labelled(storage, tmp_path, monkeypatch):
    """A block device of this host, which is only named, as udev links it by a label."""
    block = sorted(path.name for path in Path("/sys/block").iterdir())[0]
    (tmp_path / "some-label").symlink_to(f"/dev/{block}")
    (tmp_path / "of-a-partition").symlink_to("/dev/no-whole-disk1")
    monkeypatch.setattr(storage, "BY_LABEL", f"{tmp_path}/")
    return f"/dev/{block}"


def test_a_whole_disk_is_found_by_its_label(storage, labelled):
    assert storage.find_disk(Module(wipe=False), "some-label") == labelled


def test_a_label_is_no_name_for_a_disk_to_wipe(storage, labelled):
    with pytest.raises(RefusedError, match="wipe would take away"):
        storage.find_disk(Module(wipe=True), "some-label")


@pytest.mark.parametrize("name", ["of-a-partition", "no-such-label"])
def test_no_other_label_names_a_disk(storage, labelled, name):
    with pytest.raises(RefusedError, match=f"no disk {name}"):
        storage.find_disk(Module(wipe=False), name)


def test_an_empty_disk_has_no_volume(storage, disk):
    assert storage.volume_of(Module(), disk) is None


def test_ext4_is_used_as_it_is(storage, disk):
    make("mkfs.ext4", "-q", "-F", disk)
    assert storage.volume_of(Module(), disk) == disk


def test_xfs_with_ftype_is_used_as_it_is(storage, disk):
    make("mkfs.xfs", "-q", "-n", "ftype=1", disk)
    assert storage.volume_of(Module(), disk) == disk


def test_xfs_without_ftype_is_refused(storage, disk):
    make("mkfs.xfs", "-q", "-m", "crc=0", "-n", "ftype=0", disk)
    with pytest.raises(RefusedError, match="ftype=0"):
        storage.volume_of(Module(), disk)


def test_swap_is_refused_and_named(storage, disk):
    make("mkswap", disk)
    with pytest.raises(RefusedError, match=r"it holds swap.*wipe: true"):
        storage.volume_of(Module(), disk)


def test_what_came_onto_a_disk_since_it_was_wiped_is_kept(storage, disk, monkeypatch):
    make("mkfs.ext4", "-q", "-F", disk)
    uuid = storage.probe(Module(), disk)["UUID"]
    folder = "/var/lib/docker"
    monkeypatch.setattr(storage, "read", lambda path: FSTAB if path == "/etc/fstab" else "")
    assert not storage.is_set_up(Module(), disk, folder)
    lines = storage.fstab_with(FSTAB, uuid, "ext4", folder)
    monkeypatch.setattr(storage, "read", lambda path: lines if path == "/etc/fstab" else "")
    assert storage.is_set_up(Module(), disk, folder)
    assert not storage.is_set_up(Module(), disk, "/srv")
    make("mkfs.ext4", "-q", "-F", disk)
    assert not storage.is_set_up(Module(), disk, folder)


FSTAB = "UUID=1 / ext4 defaults 0 1\n# /dev/vdb /var/lib/docker ext4 defaults 0 2\n"


def test_fstab_gets_one_line_and_keeps_the_others(storage):
    text = storage.fstab_with(FSTAB, "2", "xfs", "/var/lib/docker")
    options = "defaults,x-systemd.device-timeout=15min"
    assert text == FSTAB + f"UUID=2 /var/lib/docker xfs {options} 0 2\n"
    assert storage.fstab_with(text, "2", "xfs", "/var/lib/docker") == text


def test_fstab_forgets_an_older_disk_of_the_same_folder(storage):
    old = FSTAB + "UUID=9 /var/lib/docker ext4 defaults 0 2\nUUID=3 /srv ext4 defaults 0 2\n"
    text = storage.fstab_with(old, "2", "xfs", "/var/lib/docker")
    assert "UUID=9" not in text
    assert "UUID=3 /srv" in text


def first_sector(disk):
    dump = subprocess.run(["sfdisk", "-d", disk], check=True, capture_output=True, text=True)
    return re.search(r"start=\s*(\d+),.*type=83", dump.stdout)[1]


def test_a_partition_starts_at_a_whole_block(storage, disk):
    storage.make_partition(Module(), disk)
    assert first_sector(disk) == "2048"


@pytest.mark.parametrize(("start", "warned"), [("1\n", True), ("63\n", True), ("2048\n", False)])
def test_a_partition_within_a_block_is_warned_of(storage, monkeypatch, start, warned):
    place = "/sys/class/block/vdb1/start"
    monkeypatch.setattr(storage, "read", lambda path: start if path == place else "")
    module = Module()
    storage.warn_of_misaligned(module, "/dev/vdb1")
    assert bool(module.warnings) is warned
    storage.warn_of_misaligned(module, "/dev/vdb")
    assert len(module.warnings) == warned


@pytest.mark.parametrize("on", [True, False])
def test_the_root_of_a_new_filesystem_gets_its_label_where_selinux_is_on(
    storage, monkeypatch, tmp_path, on
):
    monkeypatch.setattr(storage, "SELINUX", str(tmp_path if on else tmp_path / "absent"))
    called = []
    monkeypatch.setattr(storage, "call", lambda _, *argv: called.append(argv))
    storage.label(Module(), "/var/lib/docker")
    assert called == ([("restorecon", "/var/lib/docker")] if on else [])
