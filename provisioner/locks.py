"""Locks on files that only their owner can open: a file that a user can open, he can lock."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock

PRIVATE = 0o600


def private_lock(path: Path) -> FileLock:
    """A lock on a file, whose folder is made. Older versions let everybody read such files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError, PermissionError):
        path.chmod(PRIVATE)
    return FileLock(path, mode=PRIVATE)
