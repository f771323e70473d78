"""The lock on what all labs of this host share: networks, rules of the firewall, kernel settings.

A file that a user can open, he can lock, and then every lab waits for him. So the lock is on a file
that only root can open.
"""

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import tenacity

from provisioner.errors import BusyError
from provisioner.shell import lend

# It is empty at each start of the host.
FOLDER = Path("/run/kubelab")
# What is done under the lock takes less than a second.
SECONDS = 60.0


@contextmanager
def host_lock() -> Iterator[None]:
    """Be the only process on this host that changes what labs share.

    The lock ends with its holder and the processes that the holder started: of a killed command,
    the last one may still run.

    Raises:
        BusyError: another process held it for all of ``SECONDS``; names it.
    """
    patience = tenacity.Retrying(
        stop=tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_fixed(0.05),
        retry=tenacity.retry_if_exception_type(
            # The last lab may remove the folder at any moment.
            (BlockingIOError, FileNotFoundError, FileExistsError)
        ),
    )
    try:
        handle = patience(_take)
    except tenacity.RetryError:
        raise _busy() from None
    try:
        with lend(handle):
            yield
    finally:
        os.close(handle)


def remove_lock() -> None:
    """Remove the lock's file, which the caller holds; who waits for it takes a new one."""
    _file().unlink()
    with suppress(OSError):
        FOLDER.rmdir()


def _file() -> Path:
    return FOLDER / "lock"


def _take() -> int:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    FOLDER.chmod(0o700)
    handle = os.open(_file(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink == 0:
            # The last lab removed it meanwhile.
            raise BlockingIOError
    except BaseException:
        os.close(handle)
        raise
    return handle


def _busy() -> BusyError:
    holders = list(_holders())
    names = "\n".join(f"Process {process.pid}: {_words(process)}" for process in holders)
    kill = " ".join(["kill", *(str(process.pid) for process in holders)])
    return BusyError(
        f"another process has held {_file()} for {SECONDS:.0f} s",
        names or "No process that can be seen here holds it.",
        "Wait until that has ended"
        + (f", or end it by `{kill}`" if holders else "")
        + ". Then run the command again.",
    )


def _holders() -> Iterator[psutil.Process]:
    """The processes that hold the lock; a child has it from its parent."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            mine = [file.fd for file in process.open_files() if file.path == str(_file())]
            facts = (Path(f"/proc/{process.pid}/fdinfo/{fd}").read_text() for fd in mine)
            if any("lock:" in fact for fact in facts):
                yield process


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return shlex.join(process.cmdline()) or process.name()
    return "(ended meanwhile)"
