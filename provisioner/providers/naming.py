"""The names that a lab has on a host, where a lab of the same name may live in another folder."""

import hashlib
from pathlib import Path


def short(name: str, length: int = 8) -> str:
    """A stable short form of a name: a link's has 15 characters at most, says the kernel."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def label_of(lab: str, folder: Path) -> str:
    """The name of a lab that no other lab of this host has."""
    return f"{lab}-{short(str(folder.resolve()), 6)}"
