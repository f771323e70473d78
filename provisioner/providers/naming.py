"""Names: of a lab on a host, where another folder may have a lab of that name; of snapshots."""

import hashlib
import re
from pathlib import Path

from provisioner.errors import UsageError


def short(name: str, length: int = 8) -> str:
    """A stable short form of a name: a link's has 15 characters at most, says the kernel."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def label_of(lab: str, folder: Path) -> str:
    """The name of a lab that no other lab of this host has."""
    return f"{lab}-{short(str(folder.resolve()), 6)}"


def refuse_bad_name(name: str) -> None:
    """Refuse a name that a snapshot cannot have: it may become the name of a file.

    Raises:
        UsageError: it has other characters, or too many.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        hint = "Use 1 to 64 of letters, digits and - _ . with a letter or digit at the front."
        raise UsageError(f"{name!r} cannot be the name of a snapshot", "", hint)
