"""One lab on disk: where its files are, who holds it, and the spec that it was made from."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from filelock import FileLock, Timeout

from provisioner.errors import BusyError, LabError, UsageError
from provisioner.spec import DNS_LABEL, LabSpec, StoredSpec, read_stored

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


PATHS = ("folder", "machine_root", "box", "docker_store")
"""What a record has one path of."""


@dataclass(frozen=True)
class ArtifactRecord:
    """What a lab is made of, as paths in the cache. ``entries`` are folders of the store."""

    folder: Path
    machine_root: Path | None
    box: Path | None
    docker_store: Path | None = None
    entries: tuple[Path, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether the set and what machines start from are still in the cache."""
        starts = (self.machine_root, self.box, self.docker_store)
        return self._manifest_file.is_file() and all(path.exists() for path in starts if path)

    @property
    def _manifest_file(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def _manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._manifest_file.read_text(encoding="utf-8"))
        return found

    @property
    def schema(self) -> int:
        """The schema of the manifest; 0 for sets that an early kubelab made."""
        return int(self._manifest.get("schema", 0))

    @property
    def components(self) -> list[dict[str, Any]]:
        """What the set's manifest says of its components; nothing where it has schema 0."""
        return list(self._manifest.get("components", []))

    def image(self, name: str) -> str:
        """The full name of an image of the set.

        Raises:
            LabError: the set has none of that name.
        """
        for artifact in self._manifest["artifacts"]:
            if artifact["kind"] == "image" and artifact["name"] == name:
                return str(artifact["image"])
        raise LabError(
            f"the artifact set has no image {name!r}", str(self.folder), "Run `kubelab up` again."
        )


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
    def artifacts_file(self) -> Path:
        """What this lab is made of, as paths in the cache."""
        return self.dir / "artifacts.json"

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

    def load_spec(self) -> LabSpec:
        """The spec that this lab was made from, however old it is.

        Raises:
            UsageError: there is no such lab.
            SpecError: a later kubelab made it, or its file is damaged.
        """
        return self.load_stored().spec

    def load_stored(self) -> StoredSpec:
        """The spec that this lab was made from, with the keys of it that nobody knows any more.

        Raises:
            LabError: as ``load_spec``.
        """
        if not self.exists:
            others = ", ".join(lab.name for lab in all_labs()) or "none"
            raise UsageError(
                f"no lab named {self.name!r}",
                f"Labs in {home()}: {others}",
                "Run `kubelab up` to make one, or pick one with --name.",
            )
        return read_stored(self.spec_file)

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

    def record_artifacts(self, record: ArtifactRecord) -> None:
        """Keep what this lab is made of: a later kubelab may have forgotten how to make it."""
        kept = {key: str(getattr(record, key) or "") for key in PATHS}
        kept_entries = sorted(map(str, record.entries))
        text = json.dumps({**kept, "entries": kept_entries}, indent=1)
        self.write(self.artifacts_file, text)

    @property
    def artifacts(self) -> ArtifactRecord | None:
        """What this lab is made of; None where that was never built, or is gone.

        A lab that keeps no record yet is known by its links into the cache.
        """
        if self.artifacts_file.is_file():
            kept = json.loads(self.artifacts_file.read_text(encoding="utf-8"))
            root, box, store = (Path(kept[key]) if kept[key] else None for key in PATHS[1:])
            entries = tuple(map(Path, kept["entries"]))
            record = ArtifactRecord(Path(kept["folder"]), root, box, store, entries)
        else:
            roots = [link.resolve() for link in self.dir.glob("machines/*/lower")]
            box = self.box.resolve() if self.box.is_symlink() else None
            folder = self.kubectl.resolve().parent.parent
            record = ArtifactRecord(folder, roots[0] if roots else None, box)
        return record if record.is_there else None

    def uses(self) -> set[Path]:
        """What of the cache this lab stands on: its artifact set, its machines' roots, its box."""
        links = (*self.dir.glob("machines/*/lower"), self.box)
        roots = {link.resolve() for link in links if link.is_symlink()}
        record = self.artifacts
        entries = {*record.entries, record.folder} if record else set()
        return roots | entries | {self.kubectl.resolve().parent.parent}

    def latest_run(self) -> Path | None:
        """The event file of the last command, if any."""
        return max(self.runs.glob("*.jsonl"), default=None)


def all_labs() -> list[Lab]:
    """Every lab of this project, by name."""
    found = (Lab(path.parent.name) for path in home().glob("*/lab.yml"))
    return sorted(found, key=lambda lab: lab.name)
