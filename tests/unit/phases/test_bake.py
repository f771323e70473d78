"""A publisher's box with the packages of nodes: what is booted, packed, and taken by a spec."""

import json
import shutil
import subprocess
import tarfile

import pytest

from provisioner.artifacts.box import KEY, pack_machine
from provisioner.artifacts.offer import offers, workshop_for
from provisioner.context import make_context
from provisioner.errors import UsageError
from provisioner.lab import Lab, profiles
from provisioner.phases.bake import PackBox, baked_file, fetched_box, override_for, to_bake
from provisioner.providers.libvirt.provider import VagrantProvider
from provisioner.recipes import BAKE
from provisioner.spec import parse_spec, read_spec


@pytest.fixture
def context():
    spec = to_bake(read_spec(profiles()["centos7"], offers))
    return make_context(Lab(spec.name), spec, lambda _: None)


def test_one_machine_is_booted_with_docker_on_its_root(context):
    assert context.spec.name == "bake-centos7"
    assert [node.name for node in context.spec.nodes] == ["master"]
    # No disk of its own is in the fstab of the box.
    assert context.spec.provider.docker_disk_gib == 0


@pytest.mark.parametrize("profile", ["embedded", "debian12"])
def test_what_kubelab_makes_itself_is_not_baked_like_this(profile):
    spec = read_spec(profiles()[profile], offers)
    with pytest.raises(UsageError) as refused:
        fetched_box(make_context(Lab("x"), to_bake(spec)))
    assert "kubelab artifacts build box" in refused.value.hint


def test_the_machine_is_gone_after_it_was_packed():
    assert [phase.key for phase in BAKE][-4:] == ["bake", "stop", "box", "destroy"]


@pytest.fixture
def disk(tmp_path):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not here")
    path, key = tmp_path / "disk.img", tmp_path / "key"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1025M"], check=True)
    key.write_text("a key")
    return path, key


def test_a_disk_becomes_a_box_with_the_key_to_it(disk, tmp_path):
    box = tmp_path / "boxes/centos7/package.box"
    pack_machine(*disk, "centos", box)
    with tarfile.open(box) as tar:
        assert sorted(tar.getnames()) == sorted(["metadata.json", "Vagrantfile", KEY, "box.img"])
        assert json.load(tar.extractfile("metadata.json"))["virtual_size"] == 2
        text = tar.extractfile("Vagrantfile").read().decode()
    assert 'config.vm.guest = "centos"' in text
    assert "insert_key = false" in text
    assert [path.name for path in box.parent.iterdir()] == [box.name]
    assert box.stat().st_mode & 0o077 == 0


def test_a_spec_takes_the_box_by_what_is_printed(context, disk, monkeypatch):
    monkeypatch.setattr(VagrantProvider, "disk_and_key", lambda *_: disk)
    assert "package.box" in PackBox().run(context).said
    name, box = fetched_box(context)
    override = override_for(name, box)["artifacts"]["overrides"]
    whole = read_spec(profiles()["centos7"], offers).model_dump()
    whole["artifacts"]["overrides"] = override
    found = workshop_for(parse_spec(whole, "lab.yml", offers)).catalog.boxes["centos7"]
    assert found.file.url == f"file://{baked_file('centos7')}"
    # Vagrant keeps the publisher's under the other name.
    assert found.name == "centos/7-baked"
    assert found == box.model_copy(update={"name": found.name, "file": found.file})
