"""Settings of a kernel that machines share, on files that look like those of /proc/sys."""

import json
import os

import pytest

from provisioner.errors import HostError
from provisioner.providers.nspawn import hostlock, kernel
from provisioner.providers.nspawn.kernel import SETTINGS, fitting, lacking, put_back, raise_for

# What kernel 6.1 of Debian 12 has where nobody set anything.
FRESH = {
    "net.ipv4.ip_forward": 0,
    "fs.inotify.max_user_instances": 128,
    "fs.inotify.max_user_watches": 192536,
    "kernel.pid_max": 32768,
    "kernel.threads-max": 192730,
    "fs.file-max": 9223372036854775807,
    "net.ipv4.neigh.default.gc_thresh2": 512,
    "net.ipv4.neigh.default.gc_thresh3": 1024,
    "kernel.keys.maxkeys": 200,
    "kernel.keys.maxbytes": 20000,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
    "vm.overcommit_memory": 0,
    "vm.panic_on_oom": 0,
    "kernel.panic": 0,
    "kernel.panic_on_oops": 0,
}


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    """A host without the module for connections; returns its settings as they are."""
    monkeypatch.setattr(kernel, "SYSCTLS", tmp_path / "sys")
    monkeypatch.setattr(kernel, "OLD_RECORD", tmp_path / "old")
    monkeypatch.setattr(hostlock, "FOLDER", tmp_path)
    places = {s.name: s.file for s in SETTINGS if s.name in FRESH}
    for name, file in places.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{FRESH[name]}\n")
    return lambda: {name: int(file.read_text()) for name, file in places.items()}


def place(name):
    return next(s.file for s in SETTINGS if s.name == name)


def test_each_kind_of_limit_is_known():
    assert set(FRESH) | {"net.netfilter.nf_conntrack_max"} == {s.name for s in SETTINGS}


def test_settings_suffice_while_there_are_labs_and_are_put_back_after_the_last(host):
    raise_for(3)
    first = host()
    assert first["fs.inotify.max_user_instances"] == 128 + 3 * 64
    raise_for(20)
    assert lacking(20) == []
    assert host()["fs.inotify.max_user_instances"] > first["fs.inotify.max_user_instances"]
    # A host's own higher limit stays.
    assert host()["fs.inotify.max_user_watches"] == 20 * 16384 + 8192
    assert host()["kernel.threads-max"] == 32768 + 20 * kernel.PIDS
    assert host()["fs.file-max"] == FRESH["fs.file-max"]
    put_back()
    assert host() == FRESH
    assert not kernel._file().exists()


def test_what_somebody_else_changed_meanwhile_stays(host):
    raise_for(3)
    place("vm.overcommit_memory").write_text("2\n")
    put_back()
    assert host() == {**FRESH, "vm.overcommit_memory": 2}


def test_a_command_that_is_killed_before_it_changes_anything_is_cleaned_up_after(host, monkeypatch):
    with pytest.MonkeyPatch.context() as until:
        until.setattr(
            kernel.Setting, "file", property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        )
        with pytest.raises(KeyboardInterrupt):
            raise_for(3)
    put_back()
    assert host() == FRESH
    raise_for(3)
    record = json.loads(kernel._file().read_text())
    # One that was written down, but not changed.
    place("kernel.panic").write_text("0\n")
    assert record["kernel.panic"] == {"before": 0, "set": 10}
    put_back()
    assert host() == FRESH


def test_a_lab_of_an_earlier_version_gives_forwarding_back(host):
    place("net.ipv4.ip_forward").write_text("1\n")
    kernel.OLD_RECORD.write_text("0")
    raise_for(1)
    put_back()
    assert host() == FRESH
    assert not kernel.OLD_RECORD.exists()


def test_a_limit_that_cannot_be_raised_is_refused_with_the_number_that_fits(host, monkeypatch):
    fixed = place("fs.inotify.max_user_instances")
    fixed.write_text("400\n")
    real = os.access
    monkeypatch.setattr(kernel.os, "access", lambda path, mode: path != fixed and real(path, mode))
    assert fitting(10) == 4
    with pytest.raises(HostError) as refused:
        raise_for(10)
    assert refused.value.details == "fs.inotify.max_user_instances is 400, 768 needed"
    assert "sysctl -w fs.inotify.max_user_instances=768" in refused.value.hint
    assert "4 fit" in refused.value.hint
    assert host()["kernel.panic"] == 0
    raise_for(4)
