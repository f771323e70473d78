"""Names: of a lab on a host, where another folder may have a lab of that name; of snapshots."""

import hashlib
import re
from pathlib import Path

from provisioner.errors import UsageError

LABEL_FILE = "label"


def short(name: str, length: int = 8) -> str:
    """A stable short form of a name: a link's has 15 characters at most, says the kernel."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def label_of(lab: str, folder: Path) -> str:
    """The name of a lab that no other lab of this host has.

    A folder that is renamed keeps its label, so the lab keeps its machines. A copy of a folder has
    another inode, and with it a label of its own.
    """
    label, inode = kept_label(folder)
    if label.startswith(f"{lab}-") and inode == folder.stat().st_ino:
        return label
    return f"{lab}-{short(str(folder.resolve()), 6)}"


def kept_label(folder: Path) -> tuple[str, int]:
    """The label in a lab's folder, and the inode of the folder it was written for; or nothing."""
    file = folder / LABEL_FILE
    words = file.read_text(errors="replace").split() if file.is_file() else []
    return (words[0], int(words[1])) if len(words) == 2 and words[1].isdigit() else ("", 0)


def keep_label(lab: str, folder: Path) -> None:
    """Write the label of a lab into its folder, before anything on the host carries it."""
    kept = (label_of(lab, folder), folder.stat().st_ino)
    if kept_label(folder) != kept:
        draft = folder / f".{LABEL_FILE}.new"
        draft.write_text("{} {}\n".format(*kept), encoding="utf-8")
        draft.replace(folder / LABEL_FILE)


def drop_label(folder: Path) -> None:
    """Remove the label from a lab's folder, after all that carries it is gone."""
    (folder / LABEL_FILE).unlink(missing_ok=True)


def refuse_bad_name(name: str) -> None:
    """Refuse a name that a snapshot cannot have: it may become the name of a file.

    Raises:
        UsageError: it has other characters, or too many.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        hint = "Use 1 to 64 of letters, digits and - _ . with a letter or digit at the front."
        raise UsageError(f"{name!r} cannot be the name of a snapshot", "", hint)
