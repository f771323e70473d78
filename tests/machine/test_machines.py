"""The machine provider alone, and SIGKILL at any moment of it."""

import os
import signal
import subprocess
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import root_step
from provisioner.artifacts.store import Store
from provisioner.catalog.load import load_catalog
from provisioner.errors import HostError
from provisioner.lab import cache
from provisioner.model import MachineImage, Node
from provisioner.providers.nspawn.provider import MachineProvider
from tests.conftest import HOME, changes_since, host_state

NODES = [
    Node("one", "control-plane", "10.82.0.10", 1, 512),
    Node("two", "worker", "10.82.0.11", 1, 512),
]
# A shell starts background jobs with SIGINT ignored, and what they start inherits that.
ALONE = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.machine.test_machines import image, provider, NODES
listen = lambda event: None
"""
CREATE = f"{ALONE}provider().create(NODES, image(), listen)"
STOP = f"{ALONE}provider().stop(NODES, listen)"
DESTROY = f"{ALONE}provider().destroy(listen)"


def image() -> MachineImage:
    step = root_step(Workshop(load_catalog({}), cache()))
    root = Store(cache() / "built").path(step.name, step.key) / "tree"
    assert root.is_dir(), "run `kubelab artifacts build` first"
    return MachineImage("root", root)


def provider(folder: Path = HOME / "machines-only") -> MachineProvider:
    inside = (IPv4Network("10.244.0.0/16"),)
    return MachineProvider("only", folder, NODES, IPv4Network("10.82.0.0/24"), inside)


def ignore(event):
    pass


@pytest.fixture
def machines():
    before = host_state()
    found = provider()
    yield found
    found.destroy(ignore)
    time.sleep(0.5)
    assert not changes_since(before)
    # Also where other labs keep the folders above.
    assert not list(Path("/sys/fs/cgroup").glob(f"*/kubelab/{found.label}"))


def kill_after(seconds: float, code: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def freeze(machines: MachineProvider, node: Node) -> None:
    state = Path(f"/sys/fs/cgroup/freezer/kubelab/{machines.label}/{node.name}/freezer.state")
    if not state.is_file():
        pytest.skip("no freezer of cgroup v1 on this host")
    state.write_text("FROZEN")


def test_machines_start_run_commands_stop_and_start_again(machines):
    machines.create(NODES, image(), ignore)
    assert {m.state for m in machines.machines()} == {"running"}
    assert machines.exec(NODES[0], ["hostname"]).stdout == "one\n"
    machines.exec(NODES[0], ["sh", "-c", "echo kept > /root/file"])
    machines.stop(NODES, ignore)
    assert {m.state for m in machines.machines()} == {"stopped"}
    machines.create(NODES, image(), ignore)
    assert machines.exec(NODES[0], ["cat", "/root/file"]).stdout == "kept\n"


def test_machines_reach_each_other_and_their_limits_are_real(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["sh", "-c", "echo > /dev/tcp/10.82.0.11/22 || true"])
    shown = machines.exec(NODES[1], ["cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"])
    assert int(shown.stdout) == 512 * 2**20


def test_the_host_key_is_pinned(machines):
    machines.create(NODES, image(), ignore)
    known = machines.access.known_hosts.read_text()
    assert known.count("ssh-ed25519") == 2
    assert "StrictHostKeyChecking=yes" in " ".join(machines.ssh(NODES[0]))


def test_creating_again_changes_nothing(machines):
    machines.create(NODES, image(), ignore)
    boot = ["cat", "/proc/sys/kernel/random/boot_id"]
    started = machines.exec(NODES[0], ["stat", "-c", "%Y", "/proc/1"]).stdout
    machines.create(NODES, image(), ignore)
    assert machines.exec(NODES[0], ["stat", "-c", "%Y", "/proc/1"]).stdout == started
    assert machines.exec(NODES[0], boot).code == 0


@pytest.mark.parametrize("seconds", [0.4, 0.6, 0.8, 1.0, 1.3, 1.7])
def test_killed_at_any_moment_the_next_create_succeeds(machines, seconds):
    kill_after(seconds, CREATE)
    machines.create(NODES, image(), ignore)
    assert {m.state for m in machines.machines()} == {"running"}


@pytest.mark.parametrize("seconds", [0.5, 0.9, 1.4])
def test_killed_at_any_moment_destroy_leaves_nothing(machines, seconds):
    kill_after(seconds, CREATE)


@pytest.mark.parametrize("code", [STOP, DESTROY], ids=["stop", "destroy"])
@pytest.mark.parametrize("seconds", [0.4, 0.6, 0.9])
def test_a_stop_or_destroy_that_is_killed_can_be_gone_on_from(machines, code, seconds):
    machines.create(NODES, image(), ignore)
    kill_after(seconds, code)
    machines.create(NODES, image(), ignore)
    # A machine that was on its way down must not be taken for one that runs.
    time.sleep(2)
    assert {m.state for m in machines.machines()} == {"running"}


def test_an_interrupted_start_ends_at_once_and_leaves_busy_machines_alone(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["systemctl", "mask", "--now", "--runtime", "ssh"], check=False)
    process = subprocess.Popen([sys.executable, "-c", CREATE], stderr=subprocess.DEVNULL)
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    process.wait(5)
    assert {m.state for m in machines.machines()} == {"running"}


def test_a_lab_of_the_same_name_in_another_folder_is_left_alone(machines, tmp_path):
    machines.create(NODES, image(), ignore)
    other = provider(HOME / "elsewhere" / "machines-only")
    assert {m.state for m in other.machines()} == {"absent"}
    with pytest.raises(HostError, match="cannot be made"):
        other.create(NODES, image(), ignore)
    other.stop(NODES, ignore)
    other.destroy(ignore)
    assert machines.exec(NODES[0], ["hostname"]).stdout == "one\n"


def test_every_machine_is_another_to_kubernetes(machines):
    machines.create(NODES, image(), ignore)
    assert len({machines.exec(node, ["cat", "/etc/machine-id"]).stdout for node in NODES}) == 2


def test_a_frozen_machine_can_be_destroyed(machines):
    machines.create(NODES, image(), ignore)
    freeze(machines, NODES[0])


def test_a_machine_that_hangs_is_started_anew(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["systemctl", "mask", "--now", "--runtime", "ssh"], check=False)
    machines.create(NODES[:1], image(), ignore)
    assert machines.exec(NODES[0], ["hostname"]).stdout == "one\n"


def test_a_network_that_is_taken_is_refused_before_anything_is_made(machines):
    subprocess.run(["ip", "link", "add", "taken0", "type", "bridge"], check=True)
    try:
        for words in (["address", "add", "10.82.0.77/25", "dev", "taken0"],):
            subprocess.run(["ip", *words], check=True)
        subprocess.run(["ip", "link", "set", "taken0", "up"], check=True)
        with pytest.raises(HostError) as caught:
            machines.create(NODES, image(), ignore)
        assert "taken0" in caught.value.details
        assert "networks.node" in caught.value.hint
        assert not (machines.folder / "machines").exists()
    finally:
        subprocess.run(["ip", "link", "delete", "taken0"], check=True)


def test_a_bridge_of_our_name_that_is_not_ours_is_left_alone(machines):
    subprocess.run(["ip", "link", "add", machines.net.bridge, "type", "bridge"], check=True)
    try:
        with pytest.raises(HostError, match="not this lab's"):
            machines.create(NODES, image(), ignore)
        machines.destroy(ignore)
        assert Path("/sys/class/net", machines.net.bridge).exists()
    finally:
        subprocess.run(["ip", "link", "delete", machines.net.bridge], check=True)
