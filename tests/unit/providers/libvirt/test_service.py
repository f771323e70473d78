"""Tests of the start of libvirt's daemon where there is no systemd."""

import os
import shutil
import stat

import pytest

from provisioner.providers.libvirt.service import give_kvm_to_its_group


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
