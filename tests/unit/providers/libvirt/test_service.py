"""Tests of the start of libvirt's daemon where there is no systemd."""

import os
import shutil
import stat

import pytest

from provisioner.providers.libvirt import kvm
from provisioner.providers.libvirt.service import daemons, give_kvm_to_its_group


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "kvm"
    path.touch()
    path.chmod(0o600)
    return path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to a group")
def test_the_device_goes_to_the_group_that_qemu_runs_in(device):
    try:
        shutil.chown(device, group="kvm")
    except LookupError:
        pytest.skip("the group kvm comes with a package of QEMU's")
    group = device.stat().st_gid
    os.chown(device, 0, 0)
    give_kvm_to_its_group(device)
    assert (device.stat().st_gid, stat.S_IMODE(device.stat().st_mode)) == (group, 0o660)


@pytest.mark.skipif(os.geteuid() != 0, reason="the file has to be root's")
def test_a_device_that_all_may_open_stays_as_it_is(device):
    device.chmod(0o666)
    give_kvm_to_its_group(device)
    assert (device.stat().st_gid, stat.S_IMODE(device.stat().st_mode)) == (0, 0o666)


def test_a_host_without_the_device_is_no_error(tmp_path):
    give_kvm_to_its_group(tmp_path / "kvm")


def put(folder, name):
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def test_where_each_driver_has_a_daemon_those_are_started(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert daemons() == []
    put(tmp_path, "virtqemud")
    assert daemons() == ["virtqemud.socket", "virtnetworkd.socket", "virtstoraged.socket"]
    put(tmp_path, "libvirtd")
    assert daemons() == ["libvirtd.service"]


def test_qemu_may_be_outside_of_the_folders_of_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kvm, "QEMU_OF_EL", tmp_path / "qemu-kvm")
    assert kvm.qemu() == ""
    put(tmp_path, "qemu-kvm")
    assert kvm.qemu() == f"{tmp_path}/qemu-kvm"
    put(tmp_path, "qemu-system-x86_64")
    assert kvm.qemu() == f"{tmp_path}/qemu-system-x86_64"
