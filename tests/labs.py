"""Labs of a test run, reached as a user reaches them: by the command line."""

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.hosts import host_state, settled_changes
from tests.moments import MOMENTS
from tests.stopped import Stopped

PROJECT = Path(__file__).resolve().parents[1]
KUBELAB = PROJECT / ".venv/bin/kubelab"
# On the disk of the project: docker's overlay2 does not stand on a tmpfs.
HOME = PROJECT / ".lab-test"
# A name for the state that a lab is brought back to between stories.
WHOLE = "whole"


class Lab:
    """A lab of this test run."""

    def __init__(self, name: str = "test") -> None:
        self.name = name
        self.home = HOME
        self.dir = HOME / name
        self.spec = HOME / f"{name}.yml"
        # What this host was before anything of the lab was made.
        self.before: dict[str, list[str]] = {}
        self.env = {**os.environ, "KUBELAB_HOME": str(HOME)}

    @property
    def exists(self) -> bool:
        return (self.dir / "lab.yml").exists()

    def words(self, *words: str) -> list[str]:
        return [str(KUBELAB), *words]

    def start(self, *words: str, **more: Any) -> subprocess.Popen:
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
        assert "Traceback" not in err, err
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

    def started_until(self, moment: str, *words: str, seconds: float = 600) -> Stopped:
        """Start a command, and come back when ``moment`` is there and the command still runs."""
        earlier = set(self.dir.glob("run/*.jsonl"))
        stopped = Stopped(MOMENTS[moment], self.start(*words), self.dir / "run", earlier)
        stopped.wait(seconds)
        if stopped.moment.sign:
            ask = f"timeout 60 sh -c 'until {stopped.moment.sign}; do sleep 0.05; done'"
            self.ssh(stopped.moment.node, ask)
        return stopped


@dataclass(frozen=True)
class Plan:
    """What a shared lab is made from: a profile in a network of its own, with changes to it."""

    profile: str
    network: str
    changes: dict[str, Any]


PLANS = {
    name: Plan(**{"changes": {}, **given})
    for name, given in yaml.safe_load((PROJECT / "tests/scenarios/labs.yml").read_text()).items()
}


class SharedLab(Lab):
    """A lab that many stories share: each of them finds it as it was when it came up."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.plan = PLANS[name]
        self.touched = True
        self.kept = False
        self.made_from = ""

    def address(self, number: int) -> str:
        return f"{self.plan.network}{number}"

    def data(self) -> dict[str, Any]:
        """The lab's spec."""
        text = (PROJECT / f"profiles/{self.plan.profile}.yml").read_text()
        # All addresses of a profile are in one network.
        net = re.search(r"node: (\d+\.\d+\.\d+\.)", text)[1]
        data = yaml.safe_load(text.replace(net, self.plan.network))
        return with_changes(data | {"name": self.name}, self.plan.changes)

    @property
    def nodes(self) -> list[str]:
        return [node["name"] for node in self.data()["nodes"]]

    def prepare(self) -> None:
        """Write the spec, and see how this host is without the lab."""
        self.spec.parent.mkdir(parents=True, exist_ok=True)
        self.spec.write_text(yaml.safe_dump(self.data(), sort_keys=False))
        self.before = host_state()

    def ready(self) -> None:
        """Bring the lab to the state that every story starts from."""
        if not self.exists or self.touched:
            try:
                self._bring_back()
            except (AssertionError, subprocess.TimeoutExpired):
                # The story before it left more behind than a snapshot or `up` mends.
                self.remove()
                self.prepare()
                self._bring_back()
        self.touched = True

    def _bring_back(self) -> None:
        if self.kept:
            self.run("snapshot", "restore", WHOLE, "--name", self.name)
        else:
            self.up(1200)
        self.made_from = self.made_from or (self.dir / "lab.yml").read_text()
        assert self._is_whole(), self.status()
        if not self.kept:
            self.run("snapshot", "save", WHOLE, "--name", self.name)
            self.kept = True

    def _is_whole(self) -> bool:
        status = self.status()
        nodes = status["nodes"]
        return (
            status["phase"] == "running"
            and [node["name"] for node in nodes] == self.nodes
            and all(node["kubelet"] == "Ready" and node["schedulable"] for node in nodes)
            and (self.dir / "lab.yml").read_text() == self.made_from
        )

    def remove(self) -> None:
        """Destroy the lab, and see that this host is as it was before."""
        self.kept, self.touched, self.made_from = False, True, ""
        remove(self)
        if self.before:
            assert settled_changes(self.before) == []


class Labs:
    """The shared labs. One of them is up at a time: two would time each other out."""

    def __init__(self) -> None:
        self.current: SharedLab | None = None

    def take(self, name: str) -> SharedLab:
        """The lab of that name, up or not; another one that is up is destroyed first."""
        if self.current and self.current.name != name:
            self.drop()
        if self.current is None:
            self.current = SharedLab(name)
            self.current.remove()
            self.current.prepare()
        return self.current

    def drop(self) -> None:
        lab, self.current = self.current, None
        if lab:
            lab.remove()


def with_changes(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The data with values put at paths like ``nodes.1.address``; None takes a key away."""
    done = json.loads(json.dumps(data))
    for path, value in changes.items():
        *way, last = path.split(".")
        place = done
        for word in way:
            place = place[int(word)] if isinstance(place, list) else place.setdefault(word, {})
        key = int(last) if isinstance(place, list) else last
        if value is None:
            del place[key]
        else:
            place[key] = value
    return done


def recap(output: str) -> dict[str, int]:
    """How many tasks changed something, by host, as ansible-playbook says it at its end."""
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.M)
    return {host: int(count) for host, count in found}


def remove(lab: Lab) -> None:
    """Destroy a lab of tests, and remove its spec; other labs of tests are left alone."""
    if lab.exists:
        lab.run("destroy", "--yes", "--name", lab.name)
    shutil.rmtree(lab.dir, ignore_errors=True)
    lab.spec.unlink(missing_ok=True)
    with suppress(OSError):
        HOME.rmdir()
