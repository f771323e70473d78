"""SSH for providers: keys made for one lab, readiness, and the command line."""

import shlex
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tenacity

from provisioner.errors import CommandError
from provisioner.model import Node
from provisioner.shell import Result, run


def make_key(path: Path, comment: str) -> str:
    """Make an ed25519 key pair unless it is there; return its public line."""
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return public.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class SshAccess:
    """How the machines of a lab are reached: root, by the lab's key, with pinned host keys.

    ``hop`` is a destination of the user's own ssh that leads there; empty where none is needed.
    ``slowness`` is by how much later than a real machine's their answers may come.
    """

    folder: Path
    hop: str = ""
    slowness: float = 1

    @property
    def key(self) -> Path:
        """The private key."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys, written when the machines were made; nothing is trusted at first use."""
        return self.folder / "known_hosts"

    @property
    def public(self) -> str:
        """The public line of the key."""
        return self.key.with_name(f"{self.key.name}.pub").read_text(encoding="utf-8").strip()

    def trust(self, hosts: Iterable[str]) -> None:
        """Pin these lines of known_hosts, in one step."""
        draft = self.known_hosts.with_name(f".{self.known_hosts.name}.new")
        draft.write_text("".join(hosts), encoding="utf-8")
        draft.replace(self.known_hosts)

    def trusted(self) -> set[str]:
        """The addresses whose host keys are pinned."""
        if not self.known_hosts.is_file():
            return set()
        lines = self.known_hosts.read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if line}

    def group_vars(self) -> dict[str, object]:
        """How Ansible reaches the machines."""
        return {
            "ansible_user": "root",
            # Nothing to become: without this every task would go through sudo all the same.
            "ansible_become": False,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": shlex.join(["-F", "/dev/null", *self.options()]),
            "ansible_python_interpreter": "/usr/bin/python3",
        }

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
            "ConnectTimeout": str(round(5 * self.slowness)),
            "LogLevel": "ERROR",
        }
        if self.hop:
            # Not ProxyJump: that would ask this command line, and not the user's own configuration.
            pairs["ProxyCommand"] = self.through("%h", "%p")
        return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]

    def through(self, address: str, port: str = "22") -> str:
        """The command that leads to a port by way of the hop."""
        return f"ssh -o BatchMode=yes -W {address}:{port} {self.hop}"

    def argv(self, address: str) -> list[str]:
        """The command line of ssh to a machine."""
        return ["ssh", "-F", "/dev/null", "-i", str(self.key), *self.options(), f"root@{address}"]

    def exec(
        self, address: str, argv: Sequence[str], *, check: bool = True, seconds: float = 120
    ) -> Result:
        """Run a command on a machine; its words arrive as they are.

        Raises:
            CommandError: it failed (and ``check``), did not end within ``seconds``, or the machine
                cannot be reached.
        """
        return run([*self.argv(address), "--", shlex.join(argv)], check=check, timeout=seconds)

    def wait(
        self, address: str, seconds: float, is_alive: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait until a login works, for as long as the machine ``is_alive``.

        Raises:
            CommandError: it did not within ``seconds``, or the machine ended.
        """
        patience = tenacity.Retrying(
            stop=lambda tries: tries.seconds_since_start > seconds or not is_alive(),  # type: ignore[operator]
            wait=tenacity.wait_fixed(0.2),
            retry=tenacity.retry_if_exception_type((OSError, CommandError)),
            reraise=True,
        )
        try:
            patience(self._login, address)
        except OSError as error:
            raise CommandError(f"{address}: no SSH", str(error)) from None

    def _login(self, address: str) -> None:
        if not self.hop:
            self._see_banner(address)
        self.exec(address, ["true"], seconds=(30 if self.hop else 10) * self.slowness)

    def _see_banner(self, address: str) -> None:
        with socket.create_connection((address, 22), timeout=1) as connection:
            connection.settimeout(2)
            if not connection.recv(4):
                raise ConnectionError("closed before its banner")


class ReachedBySsh:
    """The part of a provider that is the same wherever machines are reached by the lab's key."""

    folder: Path

    @property
    def hop(self) -> str:
        """The SSH destination that leads to the machines; empty: they are reached from here."""
        return ""

    @property
    def slowness(self) -> float:
        """How many times slower than this host its machines are; deadlines are that much later."""
        return 1

    @property
    def access(self) -> SshAccess:
        """How machines are reached."""
        return SshAccess(self.folder / "ssh", self.hop, self.slowness)

    def ssh(self, node: Node) -> list[str]:
        """The command line of ``ssh`` to a node; words may be added."""
        return self.access.argv(node.address)

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run a command on a node, as root.

        Raises:
            CommandError: it failed (and ``check``), or the node cannot be reached.
        """
        return self.access.exec(node.address, argv, check=check)
