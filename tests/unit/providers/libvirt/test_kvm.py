import shutil
import subprocess

import pytest

from provisioner.providers.libvirt import kvm


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc on this host")
def test_the_guest_is_what_its_source_says(tmp_path):
    made, flat = tmp_path / "guest.o", tmp_path / "guest.bin"
    subprocess.run(["gcc", "-c", "-o", made, kvm.SOURCE], check=True)
    subprocess.run(["ld", "-Ttext=0x7c00", "--oformat", "binary", "-o", flat, made], check=True)
    assert flat.read_bytes() == kvm.GUEST


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="no QEMU on this host")
def test_emulation_boots_the_guest():
    assert kvm.boot_guest("tcg", seconds=120).verdict == "usable"


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="no QEMU on this host")
def test_a_guest_that_is_not_done_in_time_is_no_guest():
    found = kvm.boot_guest("tcg", seconds=0.01)
    assert found.verdict == "broken"
    assert "not done" in found.detail


def test_no_device_is_no_kvm(monkeypatch, tmp_path):
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "kvm")
    assert kvm.probe_kvm.__wrapped__().verdict == "absent"
