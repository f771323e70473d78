"""One lab on disk: where its files are, who holds it, and the spec that it was made from."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import yaml
from filelock import FileLock, Timeout

from provisioner.errors import BusyError, UsageError
from provisioner.spec import DNS_LABEL, KnownBy, LabSpec, read_spec

PROJECT = Path(__file__).resolve().parent.parent
"""The folder with roles/, playbooks/ and profiles/."""


def home() -> Path:
    """The folder that holds one folder a lab: ``KUBELAB_HOME``, or ``.lab`` beside the project."""
    return Path(os.environ.get("KUBELAB_HOME") or PROJECT / ".lab").resolve()


def cache() -> Path:
    """What was fetched or built once for all labs: ``KUBELAB_CACHE``, or the user's cache."""
    chosen = os.environ.get("KUBELAB_CACHE")
    return Path(chosen).resolve() if chosen else platformdirs.user_cache_path("kubelab")


def profiles() -> dict[str, Path]:
    """The ready lab specs by name."""
    return {path.stem: path for path in sorted((PROJECT / "profiles").glob("*.yml"))}


@dataclass(frozen=True)
class Lab:
    """The folder of one lab. Everything but the spec in it can be made again."""

    name: str

    def __post_init__(self) -> None:
        if not DNS_LABEL.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is no name of a lab",
                "",
                "Use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends.",
            )

    @property
    def dir(self) -> Path:
        """Where all of this lab's files are."""
        return home() / self.name

    @property
    def spec_file(self) -> Path:
        """The resolved spec; its presence says that the lab exists."""
        return self.dir / "lab.yml"

    @property
    def inventory(self) -> Path:
        """The inventory for Ansible."""
        return self.dir / "inventory.yml"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, readable by the owner alone."""
        return self.dir / "kubeconfig"

    @property
    def fingerprint(self) -> Path:
        """What machines and cluster were when the roles had ended, for the next run to compare."""
        return self.dir / "fingerprint.json"

    @property
    def choice_file(self) -> Path:
        """Why this profile was taken when nobody named one; not there where somebody did."""
        return self.dir / "choice.json"

    @property
    def runs(self) -> Path:
        """One file of events a command (JSON lines)."""
        return self.dir / "run"

    @property
    def kubectl(self) -> Path:
        """A kubectl of the cluster's own version."""
        return self.dir / "bin" / "kubectl"

    @property
    def box(self) -> Path:
        """A link to the Vagrant box that its machines were made from, where there is one."""
        return self.dir / "box"

    @property
    def exists(self) -> bool:
        """Whether somebody made this lab and did not destroy it."""
        return self.spec_file.is_file()

    def prepare(self) -> None:
        """Make the folders, closed to everybody else: keys and the kubeconfig live here."""
        for folder in (self.dir, self.runs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def write(self, path: Path, text: str) -> bool:
        """Put ``text`` into a file of this lab in one step; say whether that changed it."""
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o600)
        draft.replace(path)
        return True

    def spec_text(self, spec: LabSpec) -> str:
        """The resolved spec, every default spelt out."""
        text: str = yaml.safe_dump(spec.model_dump(), sort_keys=False)
        return text

    def save_spec(self, spec: LabSpec) -> None:
        """Keep the resolved spec."""
        self.write(self.spec_file, self.spec_text(spec))

    def load_spec(self, known_by: KnownBy) -> LabSpec:
        """The spec that this lab was made from.

        Raises:
            UsageError: there is no such lab.
        """
        if not self.exists:
            others = ", ".join(lab.name for lab in all_labs()) or "none"
            raise UsageError(
                f"no lab named {self.name!r}",
                f"Labs in {home()}: {others}",
                "Run `kubelab up` to make one, or pick one with --name.",
            )
        return read_spec(self.spec_file, known_by)

    @contextmanager
    def locked(self, command: str, wait: float = 0) -> Iterator[None]:
        """Be the only writer of this lab, for at most ``wait`` seconds of patience.

        The lock file is beside the lab's folder, so that destroying a lab cannot unlock it. It goes
        with the lab: who waits for it takes a new one.

        Raises:
            BusyError: another command holds the lab.
        """
        home().mkdir(parents=True, exist_ok=True)
        lock = FileLock(home() / f".{self.name}.lock")
        holder = home() / f".{self.name}.holder"
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise BusyError(
                f"lab {self.name}: another command is at work on it",
                holder.read_text() if holder.is_file() else "",
                "Wait for it to end, or stop it with Ctrl-C where it runs.",
            ) from None
        try:
            started = time.strftime("%H:%M:%S")
            holder.write_text(f"`kubelab {command}`, process {os.getpid()}, since {started}")
            yield
        finally:
            holder.unlink(missing_ok=True)
            if not self.dir.exists():
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def uses(self) -> set[Path]:
        """What of the cache this lab stands on: its artifact set, its machines' roots, its box."""
        links = (*self.dir.glob("machines/*/lower"), self.box)
        roots = {link.resolve() for link in links if link.is_symlink()}
        return roots | {self.kubectl.resolve().parent.parent}

    def latest_run(self) -> Path | None:
        """The event file of the last command, if any."""
        return max(self.runs.glob("*.jsonl"), default=None)


def all_labs() -> list[Lab]:
    """Every lab of this project, by name."""
    found = (Lab(path.parent.name) for path in home().glob("*/lab.yml"))
    return sorted(found, key=lambda lab: lab.name)


def read_events(path: Path) -> list[dict[str, object]]:
    """The events of one run; a last line that was cut off by a kill is left out."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
