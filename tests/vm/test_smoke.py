"""One virtual machine from our own box, by the command line: what the three-node lab is made of.

Emulated where KVM boots no guest, so each step is taken once.
"""

import json
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from provisioner.artifacts.catalog import known_by
from provisioner.lab import profiles
from provisioner.providers.network import short
from provisioner.spec import read_spec
from tests.conftest import HOME, PROJECT, Lab
from tests.unit.test_vagrantfile import VIRTUAL, vagrantfile

SECONDS = 1800
POOL = Path("/var/lib/libvirt/kubelab")
SPEC = {
    "name": "vm",
    "kubernetes": {"version": "1.20.2"},
    "nodes": [
        {
            "name": "solo",
            "role": "control-plane",
            "address": "10.83.0.10",
            "memory_mib": 3072,
            "disks_gib": [1],
        }
    ],
    "networks": {"node": "10.83.0.0/24"},
    "provider": {
        "name": "vagrant",
        "box": {"name": "debian12", "baked": True},
        "management": "192.168.183.0/24",
        "docker_disk_gib": 8,
    },
}


def virsh(*words):
    done = subprocess.run(["virsh", *words], capture_output=True, text=True)
    return sorted(done.stdout.split())


def libvirt_state():
    """All of libvirt that a lab touches and has to leave as it was."""
    return {
        "domains": virsh("list", "--all", "--name"),
        "networks": virsh("net-list", "--all", "--name"),
        "pools": virsh("pool-list", "--all", "--name"),
        "files": sorted(str(path) for path in POOL.rglob("*")) if POOL.is_dir() else [],
    }


@pytest.fixture(scope="module")
def vm():
    found = Lab("vm")
    HOME.mkdir(exist_ok=True)
    found.spec.write_text(yaml.safe_dump(SPEC))
    yield found
    if (found.dir / "lab.yml").exists():
        found.run("destroy", "--yes", "--name", found.name)


class TestOneMachine:
    """Each test goes on from the one before."""

    def test_vagrant_takes_the_file_and_up_ends_with_a_cluster(self, vm):
        vm.up(SECONDS)
        status = vm.status()
        assert status["phase"] == "running"
        assert [node["kubelet"] for node in status["nodes"]] == ["Ready"]
        assert status["nodes"][0]["memory_mib"] > 100
        subprocess.run(["vagrant", "validate"], cwd=vm.dir, check=True, capture_output=True)

    def test_docker_is_on_its_own_disk_with_the_systemd_driver(self, vm):
        assert "systemd" in vm.ssh("solo", "docker info --format '{{.CgroupDriver}}'")
        mounted = json.loads(vm.ssh("solo", "findmnt --json --mountpoint /var/lib/docker"))
        assert mounted["filesystems"][0]["source"] == "/dev/vdb1"
        assert "UUID=" in vm.ssh("solo", "grep /var/lib/docker /etc/fstab")

    def test_a_boot_waits_for_that_disk_as_long_as_a_busy_host_needs(self, vm):
        disk = "/dev/disk/by-uuid/$(findmnt --noheadings --output UUID /var/lib/docker)"
        unit = f"$(systemd-escape --path --suffix=device {disk})"
        shown = vm.ssh("solo", f"systemctl show --property JobRunningTimeoutUSec {unit}")
        assert shown.strip() == "JobRunningTimeoutUSec=15min"

    def test_the_box_brought_the_images_and_the_disk_got_them(self, vm):
        assert "kube-apiserver" in vm.ssh("solo", "docker image ls")
        log = "".join(path.read_text() for path in vm.dir.glob("run/*-up.jsonl"))
        task = next(
            event
            for event in map(json.loads, log.splitlines())
            if "Load the images into docker" in event["task"] and event["status"] != "start"
        )
        assert task["status"] == "ok"

    def test_the_node_has_its_private_address_and_the_extra_disk(self, vm):
        assert "10.83.0.10/24" in vm.ssh("solo", "ip -brief address show eth1")
        assert "kubelab-data1" in vm.ssh("solo", "ls /dev/disk/by-id")

    def test_a_disk_with_data_is_not_overwritten(self, vm, tmp_path):
        vm.ssh("solo", "mkswap /dev/vdc")
        play = tmp_path / "play.yml"
        volume = {"disk": "kubelab-data1", "mount": "/srv/data"}
        variables = {"storage_volumes": [volume]}
        play.write_text(yaml.safe_dump([{"hosts": "cluster", "roles": ["storage"]}]))
        done = subprocess.run(
            [
                str(PROJECT / ".venv/bin/ansible-playbook"),
                *("-i", str(vm.dir / "inventory.yml"), str(play)),
                *("-e", json.dumps(variables)),
            ],
            env={**vm.env, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
        assert "it holds swap" in done.stdout
        assert "wipe: true" in done.stdout

    def test_a_second_up_changes_nothing(self, vm):
        assert set(vm.up(SECONDS)["changed"].values()) == {0}

    def test_a_snapshot_brings_back_what_was_there(self, vm):
        name = ("--name", vm.name)
        vm.ssh("solo", "touch /root/before")
        vm.json("snapshot", "save", "one", *name, seconds=SECONDS)
        listed = vm.json("snapshot", "list", *name)["snapshots"]
        assert [(s["name"], s["running"]) for s in listed] == [("one", True)]
        vm.ssh("solo", "rm /root/before; touch /root/after; sync")
        vm.json("snapshot", "restore", "one", *name, seconds=SECONDS)
        assert vm.ssh("solo", "ls /root").split() == ["before"]
        assert abs(int(vm.ssh("solo", "date +%s")) - time.time()) < 30
        vm.run("snapshot", "delete", "one", *name)
        assert vm.json("snapshot", "list", *name)["snapshots"] == []
        assert "no snapshot" in vm.run("snapshot", "restore", "one", *name, code=1)

    def test_it_stops_and_comes_back(self, vm):
        vm.json("stop", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "stopped"
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_after_all_that_a_reboot_of_the_host_ends_start_brings_it_back(self, vm):
        domain = next(d for d in virsh("list", "--name") if d.endswith("-solo"))
        prefix = domain.removesuffix("solo")
        networks = [n for n in virsh("net-list", "--name") if n.startswith(prefix)]
        assert len(networks) == 2
        gone = [("destroy", domain), *(("net-destroy", name) for name in networks)]
        for words in (*gone, ("pool-destroy", "kubelab")):
            subprocess.run(["virsh", *words], check=True, capture_output=True)
        assert vm.status()["phase"] == "stopped"
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"
        assert vm.status()["nodes"][0]["disk_mib"] > 0

    def test_a_paused_machine_goes_on(self, vm):
        domain = next(d for d in virsh("list", "--name") if d.endswith("-solo"))
        subprocess.run(["virsh", "suspend", domain], check=True, capture_output=True)
        assert vm.status()["phase"] == "stopped"
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_machines_outlive_libvirtd(self, vm):
        ours = [p for p in psutil.process_iter() if p.name() == "libvirtd"]
        if not ours or ours[0].parent().name() != "tini":
            pytest.skip("libvirtd is a service of this host's")
        ours[0].terminate()
        ours[0].wait(30)
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_destroy_leaves_libvirt_as_it_was(self, vm):
        others = [d for d in virsh("list", "--all", "--name") if "kubelab-vm-" not in d]
        vm.run("destroy", "--yes", "--name", vm.name)
        after = libvirt_state()
        assert after["domains"] == others
        assert not [name for name in after["networks"] if "kubelab-vm-" in name]
        assert not [path for path in after["files"] if "kubelab-vm-" in path]
        if not others:
            assert "kubelab" not in after["pools"]
            assert after["files"] == []
        assert not vm.dir.exists()


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
    name = f"kubelab-vm-{short(str(lab.dir.resolve()), 6)}-solo"
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
    (tmp_path / "Vagrantfile").write_text(vagrantfile(read_spec(profiles()[name], known_by)))
    done = subprocess.run(["vagrant", "validate"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
