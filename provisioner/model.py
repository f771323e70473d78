"""Plain data types that several packages share."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal["control-plane", "worker"]
Kind = Literal["kubernetes", "runtime", "cni", "dashboard", "addon"]
MachineState = Literal["running", "paused", "stopped", "absent"]
# The serial of the disk for docker (virtio: at most 20 characters), or the label of its filesystem
# in a baked box (ext4: at most 16).
DOCKER_DISK = "kubelab-docker"
# Settings of sshd: nobody comes in by a password. The second has the third name before OpenSSH 8.7.
SSHD_BY_KEY = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
ChallengeResponseAuthentication no
"""
Status = Literal["start", "progress", "ok", "changed", "skipped", "failed", "unreachable"]


@dataclass(frozen=True)
class Choice:
    """A component that a spec asks for, and the key of the spec that names it.

    An empty ``version`` means the catalogue's for the lab's ``kubernetes``.
    """

    kind: Kind
    name: str
    key: str
    version: str = ""
    kubernetes: str = ""


@dataclass(frozen=True)
class Node:
    """One machine of a lab, as providers need it."""

    name: str
    role: Role
    address: str
    cpus: int
    memory_mib: int
    disks_gib: tuple[int, ...] = ()


@dataclass(frozen=True)
class Machine:
    """The current state of a machine; memory and disk are its usage in MiB, 0 if unknown."""

    name: str
    state: MachineState
    address: str
    memory_mib: int = 0
    disk_mib: int = 0


@dataclass(frozen=True)
class PublishedBox:
    """A Vagrant box of a publisher, as a Vagrantfile names it."""

    name: str
    version: str
    url: str
    sha256: str


@dataclass(frozen=True)
class MachineImage:
    """What new machines are made from: the folder of a root, or a box.

    The name changes with the content. ``mounts`` maps folders of this host to paths in machines,
    read-only, for providers with the trait ``host_folders``. ``docker_store`` is a preloaded data
    folder of docker, which new machines get a copy of. ``published`` says where a fetched box is
    from.
    """

    name: str
    path: Path
    mounts: Mapping[Path, str] = field(default_factory=dict)
    docker_store: Path | None = None
    published: PublishedBox | None = None


@dataclass(frozen=True)
class Traits:
    """Peculiarities of a provider's machines. The defaults are those of a separate server.

    ``slowness`` is the factor by which machines are slower than this host; it multiplies deadlines.
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


def _one_word(path: Path) -> str:
    """A path as a value in ssh's configuration."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if any(character.isspace() for character in text) else text


@dataclass(frozen=True)
class Access:
    """How to reach machines by SSH: user, private key, and file of host keys.

    ``hop`` is the destination of a jump host for the user's own ssh; empty if none is needed.
    ``connect_seconds`` is the time that a machine may take to answer.
    """

    user: str
    key: Path
    known_hosts: Path
    hop: str = ""
    connect_seconds: int = 5

    @property
    def options(self) -> list[str]:
        """Options of ssh for this lab, independent of the user's own ssh files."""
        pairs = {
            # ssh takes words apart, and expands a percent sign.
            "UserKnownHostsFile": _one_word(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            # A refused key is an error; ssh must not ask for a password.
            "BatchMode": "yes",
            # This includes the wait for the banner, which is long on a busy emulated machine.
            "ConnectTimeout": self.connect_seconds,
            "LogLevel": "ERROR",
        }
        if self.hop:
            # Not ProxyJump, because it would not use the user's own configuration for the hop.
            pairs["ProxyCommand"] = self.through("%h", "%p")
        return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]

    def through(self, address: str, port: str = "22") -> str:
        """The command that connects to a port through the hop."""
        return f"ssh -o BatchMode=yes -W {address}:{port} {self.hop}"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of all machines of a lab. ``made`` is in seconds since the epoch."""

    name: str
    made: int
    running: bool


@dataclass(frozen=True)
class HostLab:
    """A lab as this host shows it; ``folder`` is None if nothing on the host names it.

    ``label`` is the lab's name and a part that keeps labs of one name apart.
    """

    label: str
    provider: str
    running: int
    folder: Path | None

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.label.rpartition("-")[0]


@dataclass(frozen=True)
class Finding:
    """The answer to one question about the host (doctor) or the cluster (verify).

    ``seconds`` is the duration of the question. ``hint`` is what to type if ``ok`` is false.
    ``verdict`` is the answer in one word for programs; empty if ``ok`` is sufficient.
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
    """One file that was fetched or built. ``size`` is in bytes, ``sha256`` in hexadecimal."""

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

    ``seconds`` is the duration of what ended, and 0 for what starts. ``fraction`` is the progress
    of a long step from 0 to 1, or None if it is unknown.
    """

    phase: str
    task: str
    status: Status
    host: str = ""
    seconds: float = 0.0
    detail: str = ""
    fraction: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object, without empty optional parts."""
        always = {"phase", "host", "task", "status", "seconds"}
        return {key: value for key, value in asdict(self).items() if key in always or value}


Listener = Callable[[Event], None]

Tell = Callable[[str, float | None], None]
"""Reports the progress of a build: a few words, and a fraction from 0 to 1 (or None)."""
