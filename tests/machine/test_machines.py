"""The machine provider alone, and SIGKILL at moments of it."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from provisioner.errors import HostError
from provisioner.model import SSHD_BY_KEY, Node
from provisioner.providers.nspawn.cgroups import MachineGroup
from provisioner.providers.nspawn.kernel import PIDS
from provisioner.providers.nspawn.provider import MachineProvider
from tests.hosts import host_state, settled_changes
from tests.labs import HOME
from tests.machine.shared import NODES, Victim, ignore, image, is_going_down, provider, stop_at


@pytest.fixture
def machines():
    before = host_state()
    found = provider()
    yield found
    found.destroy(ignore)
    assert settled_changes(before) == []
    # Also where other labs keep the folders above.
    assert not list(Path("/sys/fs/cgroup").glob(f"*/kubelab/{found.label}"))


def limit_of(machines: MachineProvider, node: Node) -> int:
    """The limit of a machine's memory as this host's kernel has it, in bytes."""
    paths = MachineGroup(machines.label, node.name).paths()
    names = ("memory.limit_in_bytes", "memory.max")
    files = [path / name for path in paths for name in names if (path / name).is_file()]
    (limit,) = {int(file.read_text()) for file in files}
    return limit


def freeze(machines: MachineProvider, node: Node) -> None:
    for path in MachineGroup(machines.label, node.name).paths():
        for name, word in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            if (path / name).is_file():
                (path / name).write_text(word)
                return
    pytest.skip("no freezer of cgroups on this host")


def all_run(machines: MachineProvider) -> bool:
    """Whether every machine runs, and none is on its way down."""
    states = {machine.state for machine in machines.machines()}
    return states == {"running"} and not any(is_going_down(machines, node) for node in NODES)


def test_machines_start_run_commands_stop_and_start_again(machines):
    machines.create(NODES, image(), ignore)
    assert {m.state for m in machines.machines()} == {"running"}
    assert machines.exec(NODES[0], ["hostname"]).stdout == "one\n"
    machines.exec(NODES[0], ["sh", "-c", "echo kept > /root/file"])
    machines.stop(NODES, ignore)
    assert {m.state for m in machines.machines()} == {"stopped"}
    machines.create(NODES, image(), ignore)
    assert machines.exec(NODES[0], ["cat", "/root/file"]).stdout == "kept\n"


def test_machines_reach_each_other(machines):
    machines.create(NODES, image(), ignore)

    def reach(node: Node, port: int) -> int:
        # The shell itself connects; sh has no such file.
        word = f"echo > /dev/tcp/{node.address}/{port}"
        return machines.exec(NODES[0], ["timeout", "10", "bash", "-c", word], check=False).code

    assert reach(NODES[1], 22) == 0
    assert reach(NODES[1], 23) != 0


def test_their_limits_are_real(machines):
    machines.create(NODES, image(), ignore)
    assert limit_of(machines, NODES[1]) == 512 * 2**20
    # tail keeps a line to its end, however long it is.
    eat = ["sh", "-c", "head -c {}m /dev/zero | tail > /dev/null"]
    little, much = ([word.format(size) for word in eat] for size in (64, 700))
    assert machines.exec(NODES[1], little, check=False).code == 0
    assert machines.exec(NODES[1], much, check=False).code == 137
    assert machines.exec(NODES[1], ["hostname"]).stdout == "two\n"


def test_a_machine_does_not_write_to_this_hosts_kernel(machines):
    machines.create(NODES, image(), ignore)

    def writes(path: str) -> bool:
        word = f"cat {path} > /run/value && cat /run/value > {path}"
        return machines.exec(NODES[0], ["sh", "-c", word], check=False).code == 0

    assert not writes("/proc/sys/kernel/core_pattern")
    assert not writes("/proc/sys/vm/overcommit_memory")
    assert not writes("/sys/kernel/mm/transparent_hugepage/enabled")
    assert writes("/proc/sys/net/ipv4/ip_forward")
    assert machines.exec(NODES[0], ["ls", "/sys/class/net"]).stdout.split() == ["host0", "lo"]


def test_a_machine_has_a_limit_of_processes_of_its_own(machines):
    machines.create(NODES, image(), ignore)
    paths = MachineGroup(machines.label, "one").paths()
    (limit,) = {int(f.read_text()) for p in paths if (f := p / "pids.max").is_file()}
    assert limit == PIDS


def test_nobody_comes_in_by_a_password(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["sh", "-c", "echo root:known | chpasswd"])
    words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=0"]
    words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    asked = subprocess.run(
        [*words, "-o", "PubkeyAuthentication=no", f"root@{NODES[0].address}", "true"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    assert asked.returncode == 255
    assert "Permission denied (publickey)" in asked.stderr
    shown = machines.exec(NODES[0], ["sshd", "-T"]).stdout.lower()
    for setting in SSHD_BY_KEY.lower().splitlines()[:2]:
        assert setting in shown


def test_the_host_key_is_pinned(machines):
    machines.create(NODES, image(), ignore)
    known = machines.access.known_hosts.read_text()
    assert known.count("ssh-ed25519") == 2
    assert "StrictHostKeyChecking=yes" in " ".join(machines.ssh(NODES[0]))


def test_creating_again_changes_nothing(machines):
    machines.create(NODES, image(), ignore)

    def boot() -> list[str]:
        asked = (["cat", "/proc/sys/kernel/random/boot_id"], ["stat", "-c", "%Y", "/proc/1"])
        return [machines.exec(node, words).stdout for node in NODES for words in asked]

    before = boot()
    machines.create(NODES, image(), ignore)
    assert boot() == before
    machines.stop(NODES[:1], ignore)
    machines.create(NODES, image(), ignore)
    # A machine that was started anew is seen by it; the other one was left alone.
    assert boot()[0] != before[0]
    assert boot()[2:] == before[2:]


def also(*moments: object) -> list[object]:
    """Moments between those of `make test`, for `make test-all`."""
    words = [moment if isinstance(moment, tuple) else (moment,) for moment in moments]
    return [pytest.param(*given, marks=pytest.mark.extended) for given in words]


@pytest.mark.parametrize(
    "moment", ["bridge", "process", "start changed", *also("key", "start start", "group")]
)
def test_killed_at_any_moment_the_next_create_succeeds(machines, moment):
    stop_at("create", moment)
    machines.create(NODES, image(), ignore)
    assert all_run(machines)


@pytest.mark.parametrize("moment", ["bridge", "process", "start changed"])
def test_killed_at_any_moment_destroy_leaves_nothing(machines, moment):
    stop_at("create", moment)
    machines.destroy(ignore)
    assert {m.state for m in machines.machines()} == {"absent"}


@pytest.mark.parametrize(
    ("call", "moment"),
    [
        *(("stop", "going down"), ("stop", "stop changed")),
        *(("destroy", "stop changed"), ("destroy", "no bridge")),
        *also(("stop", "stop start"), ("destroy", "stop start")),
    ],
)
def test_a_stop_or_destroy_that_is_killed_can_be_gone_on_from(machines, call, moment):
    machines.create(NODES, image(), ignore)
    stop_at(call, moment)
    machines.create(NODES, image(), ignore)
    # A machine that was on its way down must not be taken for one that runs.
    assert all_run(machines)


def test_an_interrupted_start_ends_at_once_and_leaves_busy_machines_alone(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["systemctl", "mask", "--now", "--runtime", "ssh"], check=False)
    victim = Victim("create")
    victim.until(victim.at_work)
    begin = time.monotonic()
    victim.kill(signal.SIGINT)
    assert time.monotonic() - begin < 5
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
    machines.destroy(ignore)
    assert {m.state for m in machines.machines()} == {"absent"}


def test_a_machine_that_hangs_is_started_anew(machines):
    machines.create(NODES, image(), ignore)
    machines.exec(NODES[0], ["systemctl", "mask", "--now", "--runtime", "ssh"], check=False)
    machines.create(NODES[:1], image(), ignore)
    assert machines.exec(NODES[0], ["hostname"]).stdout == "one\n"


def test_a_network_that_is_taken_is_refused_before_anything_is_made(machines):
    subprocess.run(["ip", "link", "add", "taken0", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "10.82.0.77/25", "dev", "taken0"], check=True)
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
