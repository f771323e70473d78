"""The store: built entries by content key. An entry is one folder, complete or absent.

The content key is a hash of all inputs, so a change of the catalogue makes a new entry and never
modifies an old one. An entry also lists the size, time and SHA-256 of each of its files. A file
whose size or time changed is hashed again; a file whose checksum changed is corrupt.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from provisioner.errors import BusyError
from provisioner.locks import private_lock

LIST = ".files.json"
# Part of every content key. Increase it when the build procedure changes.
RECIPE = 1


def content_key(*inputs: Any) -> str:
    """The content key of ``inputs`` (JSON values): sixteen hexadecimal digits."""
    text = json.dumps([RECIPE, *inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files below a folder, except an entry's list."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False) and entry.name != LIST:
            yield entry


@dataclass(frozen=True)
class Store:
    """The folder of all entries."""

    folder: Path

    def path(self, name: str, key: str) -> Path:
        """The folder of an entry, whether or not it exists."""
        return self.folder / f"{name}@{key}"

    def draft(self, name: str) -> Path:
        """An empty folder to build an entry in; a draft of a killed run is removed."""
        draft = self.folder / f".draft-{name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        return draft

    def keep(self, draft: Path, name: str, key: str) -> Path:
        """Turn a finished draft into an entry."""
        self._write_list(draft)
        place = self.path(name, key)
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
        return place

    @contextmanager
    def locked(self, patience: float) -> Iterator[None]:
        """Hold the store's lock, after waiting for it up to ``patience`` seconds.

        Raises:
            BusyError: another process held the lock all that time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = private_lock(self.folder / ".lock")
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            raise BusyError(
                "another process is building artifacts",
                f"It holds {lock.lock_file}.",
                "Wait for it to end, then run the command again.",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def faults(self, entry: Path, *, hash_all: bool = False) -> list[str]:
        """The name of an entry's first corrupt or missing file, in a list; empty if intact.

        ``hash_all`` also hashes files whose size and time are unchanged.
        """
        try:
            known = json.loads((entry / LIST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return [LIST]
        touched = False
        for name, record in known.items():
            try:
                stat = os.lstat(entry / name)
            except OSError:
                return [name]
            same = [stat.st_size, stat.st_mtime_ns] == record[:2]
            if same and not hash_all:
                continue
            if stat.st_size != record[0] or sha256(entry / name) != record[2]:
                return [name]
            touched = touched or not same
        if touched:
            self._write_list(entry)
        return []

    def sums(self, entry: Path) -> dict[str, str]:
        """The SHA-256 of each file by its path in the entry, as recorded at build time."""
        known = json.loads((entry / LIST).read_text(encoding="utf-8"))
        return {name: record[2] for name, record in known.items()}

    def size(self, entry: Path) -> int:
        """The total size of an entry's files in bytes, as recorded at build time."""
        known = json.loads((entry / LIST).read_text(encoding="utf-8"))
        return sum(record[0] for record in known.values())

    def entries(self) -> list[Path]:
        """All finished entries."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if "@" in path.name)

    def _write_list(self, entry: Path) -> None:
        records = {}
        for file in walk(entry):
            stat = file.stat(follow_symlinks=False)
            name = str(Path(file.path).relative_to(entry))
            records[name] = [stat.st_size, stat.st_mtime_ns, sha256(Path(file.path))]
        (entry / LIST).write_text(json.dumps(records), encoding="utf-8")
