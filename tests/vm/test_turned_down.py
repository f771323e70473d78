"""What no virtual machine is made for, and what is not touched; nothing is changed by it.

After the machine's own tests, which install libvirt.
"""

import subprocess

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.lab import profiles
from provisioner.spec import read_spec
from tests.labs import Lab
from tests.unit.test_vagrantfile import VIRTUAL, vagrantfile
from tests.vm.shared import POOL, SPEC, domain_of, libvirt_state, virsh


def refused(tmp_path, change, code):
    data = yaml.safe_load(yaml.safe_dump(SPEC))
    change(data)
    (tmp_path / "vm.yml").write_text(yaml.safe_dump(data))
    return Lab("vm").run("up", "-f", str(tmp_path / "vm.yml"), code=code)


def test_more_memory_than_there_is_is_refused(tmp_path):
    def change(data):
        data["nodes"][0]["memory_mib"] = 4000000

    said = refused(tmp_path, change, 3)
    assert "memory" in said
    assert "nodes[].memory_mib" in said


def test_a_taken_network_is_refused(tmp_path):
    def change(data):
        data["provider"]["management"] = "172.29.7.0/24"

    subprocess.run(["ip", "link", "add", "taken2", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "172.29.7.9/24", "dev", "taken2"], check=True)
        subprocess.run(["ip", "link", "set", "taken2", "up"], check=True)
        said = refused(tmp_path, change, 3)
        assert "taken2" in said
        assert "provider.management" in said
    finally:
        subprocess.run(["ip", "link", "delete", "taken2"], check=True)


def test_a_box_that_nobody_has_is_refused(tmp_path):
    def change(data):
        data["provider"]["box"]["name"] = "centos9"

    said = refused(tmp_path, change, 2)
    assert "provider.box.name" in said
    assert "debian12" in said


def test_a_strange_domain_of_our_name_is_not_touched(tmp_path):
    lab = Lab("vm")
    lab.spec.write_text(yaml.safe_dump(SPEC))
    name = domain_of(lab)
    text = f"<domain type='qemu'><name>{name}</name><memory>65536</memory>"
    text += "<os><type arch='x86_64'>hvm</type></os></domain>"
    (tmp_path / "strange.xml").write_text(text)
    subprocess.run(["virsh", "define", str(tmp_path / "strange.xml")], check=True)
    try:
        said = lab.run("up", "-f", str(lab.spec), code=3)
        assert name in said
        assert "not this lab's" in said
        assert name in virsh("list", "--all", "--name")
    finally:
        subprocess.run(["virsh", "undefine", name], check=True)


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path):
    POOL.mkdir(exist_ok=True)
    before = libvirt_state()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(POOL)], check=True)
    try:
        said = refused(tmp_path, lambda data: None, 3)
        assert str(POOL) in said
        assert "Make room" in said
    finally:
        subprocess.run(["umount", str(POOL)], check=True)
    assert libvirt_state() == before


@pytest.mark.parametrize("name", VIRTUAL)
def test_vagrant_takes_the_file_of_every_profile(name, tmp_path):
    (tmp_path / "Vagrantfile").write_text(vagrantfile(read_spec(profiles()[name], offers)))
    done = subprocess.run(["vagrant", "validate"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
