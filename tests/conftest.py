"""What tests on real machines share: one lab for the whole run, and the state of the host."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[1]
KUBELAB = PROJECT / ".venv/bin/kubelab"
# On the disk of the project: docker's overlay2 does not stand on a tmpfs.
HOME = PROJECT / ".lab-test"
NETWORK = "10.81.0."


def module_of(role: str, name: str) -> ModuleType:
    """A module for Ansible that a role brings, to call what is in it."""
    path = PROJECT / "roles" / role / "library" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Lab:
    """A lab of this test run, reached as a user reaches it: by the command line."""

    def __init__(self, name: str = "test") -> None:
        self.name = name
        self.home = HOME
        self.dir = HOME / name
        self.spec = HOME / f"{name}.yml"
        self.before: dict[str, list[str]] = {}
        # What worker1 was when all was prepared and it had not joined yet.
        self.prepared: dict[str, set[str]] = {}
        self.env = {**os.environ, "KUBELAB_HOME": str(HOME)}

    def words(self, *words: str) -> list[str]:
        return [str(KUBELAB), *words]

    def start(self, *words: str, **more: object) -> subprocess.Popen:
        return subprocess.Popen(
            self.words(*words),
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def call(self, *words: str, code: int, seconds: float = 600) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=seconds)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{err}"
        return out, err

    def run(self, *words: str, code: int = 0) -> str:
        out, err = self.call(*words, code=code)
        return out if code == 0 else out + err

    def json(self, *words: str, code: int = 0, seconds: float = 600) -> dict:
        return json.loads(self.call(*words, "--json", code=code, seconds=seconds)[0])

    def playbook(self, name: str, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [
                str(PROJECT / ".venv/bin/ansible-playbook"),
                *("-i", str(self.dir / "inventory.yml"), f"playbooks/{name}", *words),
            ],
            cwd=PROJECT,
            env={**self.env, "PATH": f"{PROJECT / '.venv/bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def up(self, seconds: float = 600) -> dict:
        return self.json("up", "-f", str(self.spec), seconds=seconds)

    def status(self) -> dict:
        return self.json("status", "--name", self.name)

    def ssh(self, node: str, command: str) -> str:
        return self.run("ssh", "--name", self.name, node, "--", command)

    def kubectl(self, *words: str) -> str:
        return self.run("kubectl", "--name", self.name, "--", *words)


# Where a machine that runs writes of itself, whether it is in a cluster or not.
LIVELY = [
    *("/tmp", "/root", "/var/cache", "/var/lib/apt", "/var/log/journal", "/var/lib/systemd"),
    "/var/lib/containerd",
]
RULES = 'for p in iptables ip6tables; do $p-save | sed "s/^/$p /"; done'


def node_state(lab: Lab, node: str) -> dict[str, set[str]]:
    """All of a machine that a cluster touches."""
    pruned = " -o ".join(f"-path {path}" for path in LIVELY)
    questions = {
        "links": "ls /sys/class/net",
        "routes": "ip route; ip -6 route",
        "rules": RULES,
        # Docker keeps a handle on the host's own network once it was used by a container.
        "mounts": "findmnt -rno TARGET,FSTYPE | grep -v ^/run/docker/netns/default",
        "processes": "ps -eo comm=",
        # The lock belongs to iptables: whoever calls it makes it.
        "files": f"find / -xdev \\( {pruned} \\) -prune -o -print;"
        " ls /run /var/lib/kubelet | grep -v xtables.lock",
        "containers": "docker ps -aq",
        "slices": "systemctl list-units --plain --no-legend --type=slice 'kube*'",
    }
    found = {kind: set(lab.ssh(node, asked).splitlines()) for kind, asked in questions.items()}
    # Not the chains of the kernel itself: their tables stay, empty.
    found["rules"] = {x for x in found["rules"] if " -A " in x or " - [" in x}
    return found


def _is_machine(process: psutil.Process) -> bool:
    try:
        return "nspawn" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def host_state() -> dict[str, list[str]]:
    """All of this host that a lab touches and has to leave as it was."""

    def lines(*argv: str) -> list[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()

    mounts = list(Path("/proc/mounts").read_text().splitlines())
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob("*/kubelab")]
    # A zombie of this very test run is not a machine any more.
    processes = [p.name() for p in psutil.process_iter() if _is_machine(p)]
    return {
        "links": [link["ifname"] for link in json.loads("\n".join(lines("ip", "-j", "link")))],
        "routes": lines("ip", "route"),
        # Without counters: packets come and go.
        "rules": lines("nft", "--stateless", "list", "ruleset"),
        "mounts": mounts,
        "cgroups": groups,
        "processes": processes,
        "forwarding": [Path("/proc/sys/net/ipv4/ip_forward").read_text()],
    }


def changes_since(before: dict[str, list[str]]) -> list[str]:
    """What is new on this host, or gone; another lab of somebody's may come and go meanwhile."""
    after = host_state()
    new = [f"new {kind}: {x}" for kind in after for x in set(after[kind]) - set(before[kind])]
    if any("kubelab-" in line for line in before["rules"]):
        return new
    return new + [
        f"gone {kind}: {x}" for kind in after for x in set(before[kind]) - set(after[kind])
    ]


def write_spec(path: Path) -> None:
    text = (PROJECT / "profiles/embedded.yml").read_text().replace("10.77.0.", NETWORK)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("name: embedded", "name: test"))


def remove(lab: Lab) -> None:
    """Destroy a lab of tests, and remove its spec; other labs of tests are left alone."""
    if (lab.dir / "lab.yml").exists():
        lab.run("destroy", "--yes", "--name", lab.name)
    shutil.rmtree(lab.dir, ignore_errors=True)
    lab.spec.unlink(missing_ok=True)
    with suppress(OSError):
        HOME.rmdir()


@pytest.fixture(scope="session")
def empty_lab() -> Iterator[Lab]:
    """A lab that nobody has brought up yet; gone, with all of it, at the end."""
    lab = Lab()
    remove(lab)
    lab.before = host_state()
    write_spec(lab.spec)
    yield lab
    remove(lab)


@pytest.fixture(scope="session")
def lab(empty_lab: Lab) -> Lab:
    """A lab that is up."""
    empty_lab.up()
    return empty_lab
