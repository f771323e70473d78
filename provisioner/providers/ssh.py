"""SSH for providers: keys made for one lab, readiness, and the command line."""

import shlex
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import tenacity

from provisioner.errors import CommandError
from provisioner.model import Access, Node
from provisioner.shell import Result, run


def make_key(path: Path, comment: str) -> str:
    """Make an ed25519 key pair unless it is there; return its public line."""
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return public.read_text(encoding="utf-8").strip()


class SshAccess(Access):
    """The access to the machines of a lab by its own key, and what is done by it."""

    @classmethod
    def of_lab(cls, folder: Path, hop: str = "", slowness: float = 1) -> "SshAccess":
        """Root's, by the key and the host keys in ``folder``."""
        key, known_hosts = folder / "id_ed25519", folder / "known_hosts"
        return cls("root", key, known_hosts, hop, round(5 * slowness))

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

    def argv(self, address: str) -> list[str]:
        """The command line of ssh to a machine."""
        destination = f"{self.user}@{address}"
        return ["ssh", "-F", "/dev/null", "-i", str(self.key), *self.options, destination]

    def exec(
        self, address: str, argv: Sequence[str], *, check: bool = True, seconds: float = 120
    ) -> Result:
        """Run a command on a machine as root; its words arrive as they are.

        Raises:
            CommandError: it failed (and ``check``), did not end within ``seconds``, or the machine
                cannot be reached.
        """
        words = argv if self.user == "root" else ["sudo", "--non-interactive", *argv]
        return run([*self.argv(address), "--", shlex.join(words)], check=check, timeout=seconds)

    def wait(
        self,
        address: str,
        seconds: float,
        is_alive: Callable[[], bool] = lambda: True,
        argv: Sequence[str] = ("true",),
    ) -> Result:
        """Wait until ``argv`` succeeds by a login, for as long as the machine ``is_alive``.

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
            return patience(self._login, address, argv)
        except OSError as error:
            raise CommandError(f"{address}: no SSH", str(error)) from None

    def _login(self, address: str, argv: Sequence[str]) -> Result:
        if not self.hop:
            self._see_banner(address)
        return self.exec(address, argv, seconds=self.connect_seconds * (6 if self.hop else 2))

    def _see_banner(self, address: str) -> None:
        with socket.create_connection((address, 22), timeout=1) as connection:
            connection.settimeout(2)
            if not connection.recv(4):
                raise ConnectionError("closed before its banner")


class ReachedBySsh(ABC):
    """The part of a provider that is the same wherever machines are reached by the lab's key."""

    @property
    @abstractmethod
    def access(self) -> SshAccess:
        """How its machines are reached."""

    def ssh(self, node: Node) -> list[str]:
        """The command line of ``ssh`` to a node; words may be added."""
        return self.access.argv(node.address)

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run a command on a node, as root.

        Raises:
            CommandError: it failed (and ``check``), or the node cannot be reached.
        """
        return self.access.exec(node.address, argv, check=check)
