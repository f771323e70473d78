"""Plain data that siblings share. No behaviour beyond what the data itself knows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal["control-plane", "worker"]
Kind = Literal["kubernetes", "runtime", "cni", "dashboard", "addon"]
MachineState = Literal["running", "paused", "stopped", "absent"]
# The disk for docker: its serial, of which virtio takes 20 characters, or the label of what a box
# has on it, of which ext4 takes 16.
DOCKER_DISK = "kubelab-docker"
Status = Literal["start", "progress", "ok", "changed", "skipped", "failed", "unreachable"]


@dataclass(frozen=True)
class Choice:
    """A component that a spec asks for, and the key of the spec that says so.

    ``version`` is empty where the catalogue's own is meant.
    """

    kind: Kind
    name: str
    key: str
    version: str = ""


@dataclass(frozen=True)
class Node:
    """One machine of a lab: what every provider needs to know of it."""

    name: str
    role: Role
    address: str
    cpus: int
    memory_mib: int
    disks_gib: tuple[int, ...] = ()


@dataclass(frozen=True)
class Machine:
    """A node as its provider sees it now; memory and disk are what it uses, 0 where unknown."""

    name: str
    state: MachineState
    address: str
    memory_mib: int = 0
    disk_mib: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The kept state of all machines of a lab. ``made`` is in seconds since the epoch."""

    name: str
    made: int
    running: bool


@dataclass(frozen=True)
class Finding:
    """The answer to one question, put to the host (doctor) or to the cluster (verify).

    ``seconds`` is how long the question took; ``hint`` is what to type when ``ok`` is false.
    """

    name: str
    ok: bool
    detail: str
    seconds: float = 0.0
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object; an empty hint is left out."""
        return {key: value for key, value in asdict(self).items() if key != "hint" or value}


@dataclass(frozen=True)
class Artifact:
    """One file that we fetched or built. ``size`` is in bytes, ``sha256`` in hexadecimal."""

    name: str
    kind: Literal["binary", "cni", "image"]
    version: str
    source: str
    path: Path
    size: int
    sha256: str
    image: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened during a command.

    ``seconds`` is the duration of what ended, and 0 for what starts. ``fraction`` is how far a
    long step is, from 0 to 1, or None where nobody can know.
    """

    phase: str
    task: str
    status: Status
    host: str = ""
    seconds: float = 0.0
    detail: str = ""
    fraction: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object, without the parts that say nothing."""
        always = {"phase", "host", "task", "status", "seconds"}
        return {key: value for key, value in asdict(self).items() if key in always or value}


Listener = Callable[[Event], None]

Tell = Callable[[str, float | None], None]
"""Says how far a build is: a few words, and a fraction of 1 (or None)."""
