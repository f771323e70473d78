"""A provider whose machines are only told of, for tests of what uses providers."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import CommandError, LabError
from provisioner.model import (
    Access,
    Event,
    Finding,
    Listener,
    Machine,
    MachineImage,
    Node,
    Snapshot,
    Traits,
)
from provisioner.providers.naming import refuse_bad_name
from provisioner.shell import Result


@dataclass
class FakeMachine:
    """A machine: files, of which those below /run are gone when it stops, and a few commands."""

    name: str
    running: bool = False
    files: dict[str, str] = field(default_factory=dict)

    def stop(self) -> None:
        self.running = False
        self.files = {p: text for p, text in self.files.items() if not p.startswith("/run/")}

    def exec(self, argv: Sequence[str], *, check: bool = True) -> Result:
        if not self.running:
            raise CommandError(f"{self.name} cannot be reached")
        done = self._do(tuple(argv))
        if check and done.code != 0:
            raise CommandError(f"{argv[0]} failed (exit code {done.code})", done.stderr)
        return done

    def _do(self, argv: tuple[str, ...]) -> Result:
        match argv:
            case ("hostname",):
                return Result(argv, 0, f"{self.name}\n", "")
            case ("touch", path):
                self.files[path] = ""
                return Result(argv, 0, "", "")
            case ("rm", path):
                del self.files[path]
                return Result(argv, 0, "", "")
            case ("cat", path):
                return Result(argv, 0 if path in self.files else 1, self.files.get(path, ""), "")
            case ("test", "-e", path):
                return Result(argv, 0 if path in self.files else 1, "", "")
        return Result(argv, 127, "", f"{argv[0]}: command not found\n")


@dataclass
class FakeSnapshots:
    """Copies of what machines are."""

    provider: "FakeProvider"
    kept: dict[str, tuple[int, dict[str, FakeMachine]]] = field(default_factory=dict)

    def list(self) -> list[Snapshot]:
        return [
            Snapshot(name, made, all(machine.running for machine in machines.values()))
            for name, (made, machines) in self.kept.items()
        ]

    def save(self, name: str, listen: Listener) -> None:
        refuse_bad_name(name)
        if name in self.kept:
            raise LabError(f"there is a snapshot {name!r} already")
        self.kept[name] = (int(time.time()), copy.deepcopy(self.provider.made))

    def restore(self, name: str, listen: Listener) -> None:
        self._refuse_unknown(name)
        self.provider.made = copy.deepcopy(self.kept[name][1])

    def delete(self, name: str) -> None:
        self._refuse_unknown(name)
        del self.kept[name]

    def _refuse_unknown(self, name: str) -> None:
        if name not in self.kept:
            raise LabError(f"no snapshot {name!r}")


@dataclass
class FakeProvider:
    """Machines that cost nothing. ``findings`` is what it says of this host."""

    nodes: Sequence[Node]
    folder: Path
    traits: Traits = field(default_factory=Traits)
    findings: list[Finding] = field(default_factory=lambda: [Finding("host", True, "is fine")])
    made: dict[str, FakeMachine] = field(default_factory=dict)
    name: str = "fake"
    reach: str = "closed to all but this host"

    def __post_init__(self) -> None:
        self.snapshots: FakeSnapshots | None = FakeSnapshots(self)

    @property
    def access(self) -> Access:
        return Access("root", self.folder / "id_ed25519", self.folder / "known_hosts")

    def probe(self) -> list[Finding]:
        return self.findings

    def create(self, nodes: Sequence[Node], image: MachineImage, listen: Listener) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.access.key.touch()
        for node in nodes:
            machine = self.made.setdefault(node.name, FakeMachine(node.name))
            status = "ok" if machine.running else "changed"
            machine.running = True
            listen(Event("machines", "start", status, node.name))
        pinned = [f"{node.address} ssh-ed25519 AAAA\n" for node in self.nodes]
        self.access.known_hosts.write_text("".join(pinned))

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        for node in nodes:
            if machine := self.made.get(node.name):
                machine.stop()
                listen(Event("machines", "stop", "changed", node.name))

    def destroy(self, listen: Listener) -> None:
        self.made.clear()
        if self.snapshots:
            self.snapshots.kept.clear()
        for file in (self.access.key, self.access.known_hosts):
            file.unlink(missing_ok=True)

    def machines(self) -> list[Machine]:
        return [Machine(node.name, self._state(node), node.address) for node in self.nodes]

    def _state(self, node: Node) -> str:
        machine = self.made.get(node.name)
        return "absent" if machine is None else "running" if machine.running else "stopped"

    def ssh(self, node: Node) -> list[str]:
        return ["ssh", *self.access.options, f"root@{node.address}"]

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        if node.name not in self.made:
            raise CommandError(f"{node.name} cannot be reached")
        return self.made[node.name].exec(argv, check=check)


class Untouchable(FakeProvider):
    """A provider whose machines must not be changed: any attempt is an error."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise AssertionError("something was changed")

    create = stop = destroy = _refuse

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        raise AssertionError(f"{argv} was run on {node.name}")

    def __post_init__(self) -> None:
        super().__post_init__()
        for verb in ("save", "restore", "delete"):
            setattr(self.snapshots, verb, self._refuse)
