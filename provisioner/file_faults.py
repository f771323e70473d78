"""Why a file cannot be used: who owns it, what is in the way, and what to type.

These are errors of the place that kubelab works in, such as a folder of another user. Python
reports them by an exception of the operating system, at any file of any command.
"""

import errno
import json
import os
import pwd
import shlex
import stat
from pathlib import Path
from typing import Any

from provisioner.errors import HostError, LabError

HOME_HINT = (
    "set KUBELAB_HOME (labs) or KUBELAB_CACHE (what was built) to a folder of your own, on a disk"
    " that can be written"
)
IN_PLACE = "Move the file away that is where a folder belongs: `mv {path} {path}.before`."
# Faults whose cause is the place, by number, with what to type. {path} is the file.
PLACES = {
    errno.EROFS: f"Make the disk writable, or {HOME_HINT}.",
    errno.ENOSPC: "Free some space there, then run the same command again.",
    errno.EDQUOT: "Free some space there, then run the same command again.",
    errno.ELOOP: "Remove the link: `rm {path}`. Then run the same command again.",
    errno.EISDIR: "Remove the folder: `rmdir {path}`. Then run the same command again.",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), IN_PLACE),
    errno.ENAMETOOLONG: "Set KUBELAB_HOME to a folder with a shorter path.",
    errno.ESTALE: "The disk is gone; mount it again, then run the same command again.",
    errno.EIO: "Look at `dmesg`: the disk has a fault.",
}


def read_json(path: Path, hint: str) -> dict[str, Any]:
    """The object in a JSON file of ours, which a power cut or somebody else may have spoiled.

    Raises:
        LabError: it is damaged; ``hint`` says what makes it again.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LabError(f"{path} is damaged", str(error), hint) from None
    if not isinstance(found, dict):
        raise LabError(f"{path} is damaged", "It has no JSON object.", hint)
    return found


def explain(error: OSError) -> LabError | None:
    """The error in words; None if it says nothing about the place, so that it is a bug of ours."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if isinstance(error, PermissionError):
        return _denied(error, path)
    if path is None or error.errno not in PLACES:
        return None
    hint = PLACES[error.errno].format(path=shlex.quote(str(path)))
    return HostError(f"{path} cannot be used: {error.strerror}", _owner_of(path), hint)


def _denied(error: PermissionError, path: Path | None) -> LabError | None:
    """The error for a file or an action that is not this user's."""
    me = _name_of(os.geteuid())
    root = os.geteuid() == 0
    if path is None:
        # No file: an action that only root may do. If root may not, nobody knows why.
        brief = f"{me} may not do this: {error.strerror}"
        return None if root else HostError(brief, "", _as_user("root"))
    culprit = _culprit(path)
    owner = _owner_name(culprit)
    if root:
        hint = f"Look at `lsattr -d {shlex.quote(str(culprit))}` and at its mount; or {HOME_HINT}."
    else:
        hint = f"{_as_user(owner or 'root')} Or {HOME_HINT}."
    return HostError(f"{me} may not use {path}", _owner_of(culprit), hint)


def _culprit(path: Path) -> Path:
    """The first part of a path that this user may not pass; else the nearest that is there."""
    there = Path("/")
    for part in (*reversed(path.absolute().parents), path.absolute()):
        if not os.path.lexists(part):
            return there
        there = part
        if part.is_dir() and not os.access(part, os.X_OK):
            return part
    return there


def _owner_of(path: Path) -> str:
    """Who owns a path, and what its mode is; empty if it cannot be told."""
    try:
        state = path.lstat()
    except OSError:
        return ""
    kind = "folder" if stat.S_ISDIR(state.st_mode) else "file"
    kind = "link" if stat.S_ISLNK(state.st_mode) else kind
    mode = stat.filemode(state.st_mode)
    return f"The {kind} {path} belongs to {_name_of(state.st_uid)} and has the mode {mode}."


def _owner_name(path: Path) -> str:
    try:
        return _name_of(path.lstat().st_uid)
    except OSError:
        return ""


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _as_user(owner: str) -> str:
    who = "" if owner == "root" else f" -u {owner}" if " " not in owner else f" -u '#{owner[5:]}'"
    return f"Run the command as {owner}: `sudo{who} kubelab ...`."
