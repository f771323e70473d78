"""What kubelab takes over from the environment of its user: nothing that changes what it does.

Ansible, Vagrant, Python and shells read dozens of variables, and a locale that the host does not
have stops Ansible. What is meant for kubelab stays: proxies for downloads, and ``KUBELAB_*``.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from provisioner.errors import UsageError

DROPPED = (
    *("ANSIBLE_", "MITOGEN_", "AWX_", "RUNNER_", "VAGRANT_", "LIBVIRT_", "SYSTEMD_NSPAWN_"),
    *("PYTHON", "KUBECONFIG", "KUBECTL_", "LC_", "LANG"),
    # Files that a shell runs first, and options that programs add to each call.
    *("BASH_ENV", "CDPATH", "GREP_OPTIONS", "POSIXLY_CORRECT", "TAR_OPTIONS", "GZIP"),
)
# Signs that mean something in a path to Ansible (templates, variables), overlayfs or nspawn.
MEANT_OTHERWISE = re.compile(r"""[\x00-\x1f\x7f:,"'\\{}$%]""")
# Of every system with a C library of the last ten years; Ansible wants UTF-8.
LOCALE = "C.UTF-8"
UMASK = 0o022


@dataclass(frozen=True)
class Surroundings:
    """The variables and the umask of the user's shell."""

    variables: Mapping[str, str]
    umask: int


_USERS: ContextVar[Surroundings | None] = ContextVar("users", default=None)


def begin_in_utf8() -> None:
    """Begin again in UTF-8 if the locale is another one: Python reads names of files by it.

    It decides that once, when it starts. The files of a machine's root have names of all languages.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def make_ours() -> None:
    """Make this process and all that it starts independent of its user's shell."""
    before = dict(os.environ)
    _USERS.set(Surroundings(before, os.umask(UMASK)))
    for name in before:
        if name.startswith(DROPPED):
            del os.environ[name]
    os.environ["LC_ALL"] = LOCALE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that has no sign for a letter shows another one.
            stream.reconfigure(errors="replace")


def give_back() -> None:
    """Undo ``make_ours``, for a program of the user's that this process turns into."""
    if (users := _USERS.get()) is None:
        return
    os.umask(users.umask)
    os.environ.clear()
    os.environ.update(users.variables)


def without_proxy(networks: Iterable[str]) -> dict[str, str]:
    """The variables by which programs ask these networks directly, and others by the proxy."""
    known = [os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    value = ",".join(dict.fromkeys([*",".join(filter(None, known)).split(","), *networks]))
    return dict.fromkeys(("NO_PROXY", "no_proxy"), value.strip(","))


def usable_path(path: Path, hint: str) -> Path:
    """A path that all programs which get it take for the same.

    Raises:
        UsageError: a sign in it means something else to one of them.
    """
    found = MEANT_OTHERWISE.search(str(path))
    if found:
        what = f"{found[0]!r} in a path means something else to Ansible, overlayfs or nspawn."
        raise UsageError(f"{str(path)!r} cannot be used", what, hint)
    return path
