"""Plain data that siblings share. No behaviour beyond what the data itself knows."""

from collections.abc import Callable, Mapping
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
class MachineImage:
    """What new machines are made from: a tree, or a box.

    The name changes with the content. ``mounts`` are folders of this host and where machines see
    them, read-only, under a provider whose traits have ``host_folders``. ``docker_store`` is what
    docker's folder of a new machine is cloned from, with images in it.
    """

    name: str
    path: Path
    mounts: Mapping[Path, str] = field(default_factory=dict)
    docker_store: Path | None = None


@dataclass(frozen=True)
class Traits:
    """What is peculiar about machines. The defaults are those of a server of its own.

    ``slowness`` is how many times slower than this host they are; deadlines are that much later.
    ``runtime_disk`` is the serial or the label of a disk for the container runtime, empty for none.
    ``host_folders``: folders of this host can be mounted into them. ``python`` is the version that
    the system's package manager has bindings for.
    """

    shared_kernel: bool = False
    own_swap: bool = True
    own_disk: bool = True
    slowness: float = 1.0
    runtime_disk: str = ""
    host_folders: bool = False
    python: str = "3"


@dataclass(frozen=True)
class Access:
    """How machines are reached by SSH: as whom, with which key, and which host keys they have.

    ``hop`` is a destination of the user's own ssh that leads there; empty where none is needed.
    ``connect_seconds`` is how long a machine may take until it answers.
    """

    user: str
    key: Path
    known_hosts: Path
    hop: str = ""
    connect_seconds: int = 5

    @property
    def options(self) -> list[str]:
        """Options for ssh that tie it to this lab, and to nothing of the user's."""
        pairs = {
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            # A refused key is an error, not a question for a password on somebody's terminal.
            "BatchMode": "yes",
            # Until the banner: an emulated machine that is busy takes its time over it.
            "ConnectTimeout": self.connect_seconds,
            "LogLevel": "ERROR",
        }
        if self.hop:
            # Not ProxyJump: that would ask this command line, and not the user's own configuration.
            pairs["ProxyCommand"] = self.through("%h", "%p")
        return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]

    def through(self, address: str, port: str = "22") -> str:
        """The command that leads to a port by way of the hop."""
        return f"ssh -o BatchMode=yes -W {address}:{port} {self.hop}"


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
    ``verdict`` is the answer in one word, for programs; empty where ``ok`` says it all.
    """

    name: str
    ok: bool
    detail: str
    seconds: float = 0.0
    hint: str = ""
    verdict: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object, without an empty hint or verdict."""
        optional = {"hint", "verdict"}
        return {key: value for key, value in asdict(self).items() if key not in optional or value}


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

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object, without the parts that say nothing."""
        always = {"phase", "host", "task", "status", "seconds"}
        return {key: value for key, value in asdict(self).items() if key in always or value}


Listener = Callable[[Event], None]

Tell = Callable[[str, float | None], None]
"""Says how far a build is: a few words, and a fraction of 1 (or None)."""
