"""Vagrant, by python-vagrant: with a deadline, a home of its own, and progress by machine."""

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError
from typing import IO, Any

from provisioner.errors import LabError
from provisioner.model import Event, Listener
from provisioner.providers.libvirt.plugins import take_plugins
from provisioner.shell import TETHER, end_children, missing, tail

# python-vagrant warns on import if vagrant is missing, even where nobody uses it.
logging.getLogger("vagrant").addHandler(logging.NullHandler())
import vagrant  # noqa: E402

PHASE = "machines"
# A line of vagrant about a machine, like "==> worker1: Starting domain."
SAYS = re.compile(r"(?:==>|   ) (?P<node>[a-z0-9-]+): (?P<words>.+)")
# Its last line about a machine while it waits for an address, then for an answer by SSH.
WAITING = ("Waiting for domain to get an IP address", "Waiting for machine to boot", "SSH ")
CLEAR = "\x1b[K"
# A line that shows a setting of a domain, which is no progress.
SETTING = re.compile(r"^\s*--? ")
# A line of a Ruby stack trace, which takes two screens.
FRAME = re.compile(r"^\s+from \S+:\d+:in .*\n?", re.M)
# What it says when a machine starts. All before that is one box for all machines: it is unpacked,
# and sent to libvirt, which may be far away. That may take as long as it moves.
STARTS = "Starting domain"
SILENCE = 1800.0
# The deadline of calls that take seconds on an idle host.
SECONDS = 120.0
NO_KVM = "failed to initialize kvm"


class _Tethered(vagrant.Vagrant):
    """python-vagrant, with processes that end with us whatever happens to us."""

    def _make_vagrant_command(self, args: Any) -> list[str]:
        return [*TETHER, *super()._make_vagrant_command(args)]


class _Deadline:
    """Ends vagrant at a moment that may be moved. ``passed`` says whether that was done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._over = threading.Event()
        self.restart(seconds)

    def restart(self, seconds: float) -> None:
        """Let the time begin now."""
        self.seconds = seconds
        self._moment = time.monotonic() + seconds

    def _watch(self) -> None:
        while (left := self._moment - time.monotonic()) > 0:
            # Not all that is left: the moment may come nearer.
            if self._over.wait(min(left, 1)):
                return
        self.passed = True
        end_children()

    def __enter__(self) -> "_Deadline":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()


class Vagrant:
    """Vagrant in the folder of one lab. ``home`` holds boxes, for all labs of this user."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.log = folder / "vagrant.log"
        self._home = home
        env = {
            **os.environ,
            "VAGRANT_HOME": str(home),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
        }
        self._vagrant = _Tethered(root=str(folder), env=env, err_cm=self._log_file)

    @contextmanager
    def _log_file(self) -> Iterator[IO[bytes]]:
        with self.log.open("ab") as log:
            yield log

    def up(self, names: list[str], listen: Listener, seconds: float) -> list[str]:
        """Bring all machines up. Returns those that vagrant still waited for at the deadline.

        ``seconds`` begin when the last machine starts. Before the first one, only silence counts.

        Raises:
            LabError: vagrant failed for another reason.
        """
        take_plugins(self._home)
        last: dict[str, str] = {}
        with _Deadline(SILENCE) as deadline:
            try:
                self._say_all(last, listen, deadline, seconds)
            except CalledProcessError as error:
                waiting = [name for name in names if last.get(name, "").startswith(WAITING)]
                if deadline.passed and waiting:
                    return waiting
                raise self._failure("up", error, deadline) from None
            except (FileNotFoundError, RuntimeError):
                raise missing(["vagrant"]) from None
        for name in names:
            listen(Event(PHASE, "vagrant up", "changed", name))
        return []

    def _say_all(
        self, last: dict[str, str], listen: Listener, deadline: _Deadline, seconds: float
    ) -> None:
        started = False
        with self.log.open("a", encoding="utf-8", buffering=1) as log:
            for line in self._vagrant.up(provider="libvirt", stream_output=True):
                # A progress bar is drawn over itself, thousands of times.
                said = line.rpartition(CLEAR)[2]
                log.write(said)
                self._tell(said, last, listen)
                starts = STARTS in said
                started = started or starts
                if starts or not started:
                    deadline.restart(seconds if starts else SILENCE)

    def _tell(self, line: str, last: dict[str, str], listen: Listener) -> None:
        found = SAYS.match(line)
        if found is None or SETTING.match(found["words"]):
            return
        last[found["node"]] = found["words"]
        listen(Event(PHASE, "vagrant up", "progress", found["node"], detail=found["words"][:60]))

    def _failure(self, verb: str, error: CalledProcessError, deadline: _Deadline) -> LabError:
        said = tail(FRAME.sub("", self.log.read_text(encoding="utf-8", errors="replace")))
        end = f"failed ({error.returncode})"
        if deadline.passed:
            end = f"did not end within {deadline.seconds:.0f} s"
        fix = "Set provider.driver to qemu (emulation)" if NO_KVM in said else "Fix that"
        return LabError(
            f"vagrant {verb} {end}",
            f"{said}\nThe whole output is in {self.log}.",
            f"{fix} and run `kubelab up` again: machines that run stay as they are.",
        )

    def destroy_all(self) -> None:
        """Let vagrant remove what it knows. A failure does not matter: the sweep follows."""
        failures = (CalledProcessError, FileNotFoundError, RuntimeError)
        take_plugins(self._home)
        with _Deadline(SECONDS), suppress(*failures):
            self._vagrant.destroy()

    def keys(self) -> Mapping[str, Path]:
        """The private key of each machine's user vagrant.

        Raises:
            LabError: vagrant failed, or did not end in time.
        """
        with _Deadline(SECONDS) as deadline:
            try:
                text = self._vagrant.ssh_config()
            except CalledProcessError as error:
                raise self._failure("ssh-config", error, deadline) from None
        blocks = re.findall(r"^Host (\S+)\n((?:  .*\n?)*)", text, re.M)
        found = {host: re.search(r'IdentityFile "?([^"\n]+)', block) for host, block in blocks}
        return {host: Path(match[1]) for host, match in found.items() if match}

    def finished_ids(self) -> set[str]:
        """The UUIDs of the domains that vagrant finished.

        It writes this mark last. A machine of its without one has no address and no name: vagrant
        gives them while it makes a machine, and not when it starts one that is there.
        """
        files = (self.folder / ".vagrant/machines").glob("*/libvirt/action_provision")
        return {file.read_text(encoding="utf-8").strip().rpartition(":")[2] for file in files}
