"""One virtual machine from our own box, by the command line: what the three-node lab is made of.

Emulated where KVM boots no guest, so each step is taken once.
"""

import json
import subprocess
import time

import psutil
import pytest
import yaml

from provisioner.lab import cache
from provisioner.providers.libvirt.emulation import STOP_SECONDS
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.pool import BOX_VOLUME
from tests.labs import HOME, PROJECT, Lab
from tests.vm.shared import POOL, SECONDS, SPEC, domain_of, killed_when, libvirt_state, virsh


@pytest.fixture(scope="module")
def vm():
    found = Lab("vm")
    HOME.mkdir(exist_ok=True)
    found.spec.write_text(yaml.safe_dump(SPEC))
    yield found
    if (found.dir / "lab.yml").exists():
        found.run("destroy", "--yes", "--name", found.name)


def set_up_data_disk(lab, folder, **more):
    """Run the storage role for the machine's extra disk, which it shall find by its serial."""
    play = folder / "play.yml"
    play.write_text(yaml.safe_dump([{"hosts": "cluster", "roles": ["storage"]}]))
    volume = {"disk": "kubelab-data1", "mount": "/srv/data"} | more
    return subprocess.run(
        [
            str(PROJECT / ".venv/bin/ansible-playbook"),
            *("-i", str(lab.dir / "inventory.yml"), str(play)),
            *("-e", json.dumps({"storage_volumes": [volume]})),
        ],
        env={**lab.env, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


class TestOneMachine:
    """Each test goes on from the one before."""

    def test_up_is_killed_while_it_sends_the_box(self, vm):
        """What comes next would never boot from half a box."""
        if list(POOL.glob(f"*{BOX_VOLUME}*")):
            pytest.skip("libvirt has a box already")
        sent = killed_when(
            vm, lambda: [x for x in POOL.glob(f"*{BOX_VOLUME}*") if x.stat().st_size > 2**24]
        )
        box = cache() / "vagrant/boxes" / sent[0].name.partition(BOX_VOLUME)[0]
        whole = next(box.glob("*/libvirt/box.img")).stat().st_size
        time.sleep(1)
        assert 2**24 < sent[0].stat().st_size < whole

    def test_up_is_killed_while_the_machine_boots(self, vm):
        """Vagrant gives a machine its address when it makes it, and never again.

        Nor does it make one over a disk that was made before it was killed, and its domain not yet.
        """
        disk = f"{domain_of(vm)}.img"
        subprocess.run(["virsh", "vol-create-as", "kubelab", disk, "1M"], check=True)
        assert killed_when(vm, lambda: domain_of(vm) in virsh("list", "--name"))

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
        assert mounted["filesystems"][0]["source"] == "/dev/vdb"
        assert "UUID=" in vm.ssh("solo", "grep /var/lib/docker /etc/fstab")

    def test_a_boot_waits_for_that_disk_as_long_as_a_busy_host_needs(self, vm):
        disk = "/dev/disk/by-uuid/$(findmnt --noheadings --output UUID /var/lib/docker)"
        unit = f"$(systemd-escape --path --suffix=device {disk})"
        shown = vm.ssh("solo", f"systemctl show --property JobRunningTimeoutUSec {unit}")
        assert shown.strip() == "JobRunningTimeoutUSec=15min"

    def test_the_box_brought_images_their_disk_and_docker_at_work(self, vm):
        assert "kube-apiserver" in vm.ssh("solo", "docker image ls")
        log = "".join(path.read_text() for path in vm.dir.glob("run/*-up.jsonl"))
        found = {"Mount the disks": [], "Start docker": [], "Load the images into docker": []}
        for event in map(json.loads, log.splitlines()):
            task = event["task"].rpartition(" : ")[2]
            if task in found and event["status"] not in {"start", "progress"}:
                found[task].append(event["status"])
        assert all(set(statuses) == {"ok"} for statuses in found.values()), found

    def test_the_name_was_there_before_vagrant_looked_for_it(self, vm):
        hosts = vm.ssh("solo", "cat /etc/hosts")
        # The line of the box has the node's address by now. Vagrant's own has the name twice.
        assert "10.83.0.10 solo\n" in hosts
        assert "solo solo" not in hosts
        assert "127.0.1.1" not in hosts

    def test_binaries_of_the_box_were_not_copied_again(self, vm):
        pair = "/usr/local/bin/kubelet /var/lib/kubelab/artifacts/bin/kubelet"
        assert len(set(vm.ssh("solo", f"stat --format %Y {pair}").split())) == 1

    def test_an_emulated_processor_is_without_what_slows_it(self, vm):
        if vm.ssh("solo", "systemd-detect-virt").strip() != "qemu":
            pytest.skip("the processor is not emulated")
        flags = vm.ssh("solo", "grep --max-count 1 ^flags /proc/cpuinfo").split()
        assert {"aes", "smep"} <= set(flags)
        assert not {"erms", "la57", "pku", "smap"} & set(flags)

    def test_timers_in_containers_are_late_where_the_processor_is_emulated(self, vm):
        virtual = vm.ssh("solo", "systemd-detect-virt").strip()
        slack = vm.ssh("solo", "cat /proc/$(pidof etcd)/timerslack_ns").strip()
        assert slack == ("20000000" if virtual == "qemu" else "50000")

    def test_the_node_has_its_private_address_and_the_extra_disk(self, vm):
        assert "10.83.0.10/24" in vm.ssh("solo", "ip -brief address show eth1")
        assert "kubelab-data1" in vm.ssh("solo", "ls /dev/disk/by-id")

    def test_a_disk_with_data_is_not_overwritten(self, vm, tmp_path):
        vm.ssh("solo", "mkswap /dev/vdc")
        done = set_up_data_disk(vm, tmp_path)
        assert done.returncode != 0
        assert "it holds swap" in done.stdout
        assert "wipe: true" in done.stdout

    def test_by_a_wish_it_gets_a_partition_and_a_filesystem(self, vm, tmp_path):
        done = set_up_data_disk(vm, tmp_path, wipe=True, filesystem="xfs")
        assert done.returncode == 0, done.stdout
        mounted = vm.ssh("solo", "findmnt --noheadings --output SOURCE,FSTYPE /srv/data")
        assert mounted.split() == ["/dev/vdc1", "xfs"]

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
        name = ("--name", vm.name)
        vm.json("stop", *name, seconds=SECONDS)
        assert vm.status()["phase"] == "stopped"
        vm.json("snapshot", "save", "off", *name, seconds=SECONDS)
        vm.json("start", *name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_a_snapshot_of_a_stopped_lab_is_stopped_again_and_starts(self, vm):
        name = ("--name", vm.name)
        vm.ssh("solo", "touch /root/after; sync")
        done = vm.json("snapshot", "restore", "off", *name, seconds=SECONDS)["phases"]
        assert "kubelab start" in done[0]["outcome"]
        assert vm.status()["phase"] == "stopped"
        vm.json("start", *name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"
        assert vm.ssh("solo", "ls /root").split() == ["before"]
        vm.run("snapshot", "delete", "off", *name)

    def test_after_all_that_a_reboot_of_the_host_ends_start_brings_it_back(self, vm):
        domain = domain_of(vm)
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
        domain = domain_of(vm)
        subprocess.run(["virsh", "suspend", domain], check=True, capture_output=True)
        assert vm.status()["phase"] == "paused"
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_a_paused_machine_is_not_taken_for_stopped(self, vm):
        subprocess.run(["virsh", "suspend", domain_of(vm)], check=True, capture_output=True)
        begin = time.monotonic()
        vm.json("stop", "--name", vm.name, seconds=SECONDS)
        # It went by itself: at the deadline its power would have been cut.
        assert time.monotonic() - begin < STOP_SECONDS["qemu"]
        assert vm.status()["phase"] == "stopped"
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"

    def test_machines_outlive_libvirtd(self, vm):
        def end_libvirtd():
            ours = [p for p in psutil.process_iter() if p.name() == "libvirtd"]
            if not ours or ours[0].parent().name() != "tini":
                pytest.skip("libvirtd is a service of this host's")
            ours[0].terminate()
            ours[0].wait(30)

        here = Hypervisor("qemu:///system", domain_of(vm).removesuffix("solo"), "")
        assert here.facts("solo").state == "running"
        end_libvirtd()
        # A command that runs meanwhile takes up the new one.
        assert here.facts("solo").state == "running"
        end_libvirtd()
        vm.json("start", "--name", vm.name, seconds=SECONDS)
        assert vm.status()["phase"] == "running"
        end_libvirtd()
        assert vm.json("snapshot", "list", "--name", vm.name)["snapshots"] == []

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
