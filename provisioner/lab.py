"""One lab on disk: its files, its lock, and its stored spec."""

import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import yaml
from filelock import Timeout

from provisioner.artifact_record import ArtifactRecord
from provisioner.errors import BusyError, LabError, UsageError
from provisioner.file_faults import read_json
from provisioner.locks import private_lock
from provisioner.spec import DNS_LABEL, LabSpec, StoredSpec, read_stored
from provisioner.surroundings import usable_path

PROJECT = Path(__file__).resolve().parent.parent
"""The folder with roles/, playbooks/ and profiles/."""


def home() -> Path:
    """The parent of all labs' folders: ``KUBELAB_HOME``, or ``.lab`` in the project.

    Raises:
        UsageError: a sign in its path means something else to a program.
    """
    usable_path(PROJECT, "Move kubelab's folder.")
    place = Path(os.environ.get("KUBELAB_HOME") or PROJECT / ".lab").resolve()
    return usable_path(place, "Set KUBELAB_HOME to another folder.")


def cache() -> Path:
    """The folder of what is fetched or built for all labs: ``KUBELAB_CACHE`` or a default.

    Raises:
        UsageError: as ``home``.
    """
    chosen = os.environ.get("KUBELAB_CACHE")
    place = Path(chosen).resolve() if chosen else platformdirs.user_cache_path("kubelab")
    return usable_path(place, "Set KUBELAB_CACHE to another folder.")


def profiles() -> dict[str, Path]:
    """The files of the profiles by name."""
    return {path.stem: path for path in sorted((PROJECT / "profiles").glob("*.yml"))}


@dataclass(frozen=True)
class Lab:
    """The folder of one lab. All its files except the spec can be created again."""

    name: str

    def __post_init__(self) -> None:
        if not DNS_LABEL.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is not a valid name of a lab",
                "",
                "Use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends.",
            )

    @property
    def dir(self) -> Path:
        """The folder of all files of this lab."""
        return home() / self.name

    @property
    def spec_file(self) -> Path:
        """The resolved spec. The lab exists if this file exists."""
        return self.dir / "lab.yml"

    @property
    def inventory(self) -> Path:
        """The inventory for Ansible."""
        return self.dir / "inventory.yml"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, readable by the owner only."""
        return self.dir / "kubeconfig"

    @property
    def fingerprint(self) -> Path:
        """The fingerprint of the lab after the last run of the roles."""
        return self.dir / "fingerprint.json"

    @property
    def choice_file(self) -> Path:
        """The automatic choice of a profile and its reasons; absent if the user named one."""
        return self.dir / "choice.json"

    @property
    def artifacts_file(self) -> Path:
        """The record of the lab's artifacts (JSON)."""
        return self.dir / "artifacts.json"

    @property
    def runs(self) -> Path:
        """The folder of event files, one for each command (JSON lines)."""
        return self.dir / "run"

    @property
    def kubectl(self) -> Path:
        """A kubectl in the version of the cluster."""
        return self.dir / "bin" / "kubectl"

    @property
    def box(self) -> Path:
        """A link to the Vagrant box that the machines were made from, if any."""
        return self.dir / "box"

    @property
    def exists(self) -> bool:
        """Whether this lab was created and not destroyed.

        Raises:
            PermissionError: this user may not look.
        """
        return _is_file(self.spec_file)

    def prepare(self) -> None:
        """Create the folders with mode 0700, because they contain keys and the kubeconfig."""
        for folder in (self.dir, self.runs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def remove(self) -> None:
        """Remove the folder as far as possible, the spec last: until then the lab exists."""
        for path in self.dir.iterdir() if self.dir.is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path != self.spec_file:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, path: Path, text: str) -> bool:
        """Write ``text`` to a file of this lab atomically; returns whether the file changed."""
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o600)
        draft.replace(path)
        return True

    def spec_text(self, spec: LabSpec) -> str:
        """The spec as YAML with all defaults."""
        text: str = yaml.safe_dump(spec.model_dump(), sort_keys=False)
        return text

    def save_spec(self, spec: LabSpec) -> None:
        """Save the resolved spec."""
        self.write(self.spec_file, self.spec_text(spec))

    def load_spec(self) -> LabSpec:
        """The spec that this lab was made from, in any version of the schema.

        Raises:
            UsageError: there is no such lab.
            SpecError: a later kubelab wrote the spec, or its file is damaged.
        """
        return self.load_stored().spec

    def load_stored(self) -> StoredSpec:
        """The spec that this lab was made from, and its keys that this kubelab does not know.

        Raises:
            LabError: as ``load_spec``.
        """
        if not self.exists:
            others = ", ".join(lab.name for lab in all_labs()) or "none"
            raise UsageError(
                f"no lab named {self.name!r}",
                f"Labs in {home()}: {others}",
                "Run `kubelab up` to create one, or select one with --name.",
            )
        return read_stored(self.spec_file)

    @contextmanager
    def locked(self, command: str, wait: float = 0) -> Iterator[None]:
        """Hold the lock of this lab, after waiting for it up to ``wait`` seconds.

        The lock file is beside the lab's folder, so that removing the folder does not unlock the
        lab. It is deleted with the lab.

        Raises:
            BusyError: another command holds the lab.
        """
        lock = private_lock(home() / f".{self.name}.lock")
        holder = home() / f".{self.name}.holder"
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise BusyError(
                f"lab {self.name}: another command is running",
                holder.read_text() if holder.is_file() else "",
                "Wait for it to end, or stop it with Ctrl-C in its terminal.",
            ) from None
        try:
            started = time.strftime("%H:%M:%S")
            # A link of that name must not lead the text into another file.
            holder.unlink(missing_ok=True)
            holder.write_text(f"`kubelab {command}`, process {os.getpid()}, since {started}")
            yield
        finally:
            holder.unlink(missing_ok=True)
            if not self.dir.exists():
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def record_artifacts(self, record: ArtifactRecord) -> None:
        """Record the lab's artifacts, because a later kubelab may not be able to build them."""
        self.write(self.artifacts_file, json.dumps(record.as_json(), indent=1))

    @property
    def artifacts(self) -> ArtifactRecord | None:
        """The artifacts of this lab; None if they were never built, or nothing tells of them.

        Labs of early versions have no record; their links into the cache serve instead.
        """
        try:
            record = self._recorded()
        except LabError:
            return None
        return record if record.is_there else None

    def _recorded(self) -> ArtifactRecord:
        """What is recorded of this lab's artifacts, whether they are in the cache or not.

        Raises:
            LabError: the record is damaged.
        """
        if not self.artifacts_file.is_file():
            roots = [link.resolve() for link in self.dir.glob("machines/*/lower")]
            box = self.box.resolve() if self.box.is_symlink() else None
            folder = self.kubectl.resolve().parent.parent
            return ArtifactRecord(folder, roots[0] if roots else None, box)
        hint = f"Run `kubelab up --name {self.name}`: it writes the record again."
        kept = read_json(self.artifacts_file, hint)
        return ArtifactRecord.of(kept, LabError(f"{self.artifacts_file} is damaged", "", hint))

    def uses(self) -> set[Path]:
        """The paths in the cache that this lab uses: set, entries, machine roots and box.

        Raises:
            LabError: nobody can tell, because the record of its artifacts is damaged.
        """
        links = (*self.dir.glob("machines/*/lower"), self.box)
        roots = {link.resolve() for link in links if link.is_symlink()}
        record = self._recorded()
        entries = {*record.entries, record.folder} if record.is_there else set()
        return roots | entries | {self.kubectl.resolve().parent.parent}

    def latest_run(self) -> Path | None:
        """The event file of the last command, if any.

        Raises:
            PermissionError: this user may not look.
        """
        try:
            found = list(self.runs.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        return max((path for path in found if path.suffix == ".jsonl"), default=None)


def all_labs() -> list[Lab]:
    """Every lab of this project that this user may read, by name.

    Raises:
        PermissionError: there are only folders that other users closed.
    """
    found = (Lab(path.parent.name) for path in home().glob("*/lab.yml"))
    labs = sorted(found, key=lambda lab: lab.name)
    for folder in home().iterdir() if not labs and home().is_dir() else ():
        if folder.is_dir():
            # Not to be taken for no lab: the error says whose it is.
            _is_file(folder / "lab.yml")
    return labs


def _is_file(path: Path) -> bool:
    """Whether a file is there; unlike pathlib's own, this raises where this user may not look."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
