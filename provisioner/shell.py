"""The only module that starts processes.

The error of a failed process has its command line, its exit code and the end of its output.
"""

import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import psutil

from provisioner.errors import CommandError

TAIL_LINES = 15
# The maximum length of a line: kubectl prints a whole object in one line of an error message.
TAIL_CHARS = 600
# A prefix that ends a program, its children and its mounts when kubelab ends, even by SIGKILL.
TETHER = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"),
    *("--kill-child", "--mount-proc"),
)
# The same without root, for a program that starts no others.
WITH_US = TETHER[:3]
# Per thread, because processes of other threads may live longer than the lock should.
_LENT: ContextVar[tuple[int, ...]] = ContextVar("lent", default=())


@dataclass(frozen=True)
class Result:
    """The command line, exit code and output of a finished process."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines of ``text`` that are not blank; long lines are cut off."""
    kept = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(
        f"{line[:TAIL_CHARS]} ..." if len(line) > TAIL_CHARS else line for line in kept
    )


def failure(argv: Sequence[str], code: int | str, output: str, hint: str = "") -> CommandError:
    """The error for a process that ended with ``code``."""
    said = tail(output) or "(it printed nothing)"
    named = argv[len(TETHER) :] if tuple(argv[: len(TETHER)]) == TETHER else argv
    return CommandError(
        brief=f"{Path(named[0]).name} failed (exit code {code})",
        details=f"$ {shlex.join(named)}\n{said}",
        hint=hint,
    )


def missing(argv: Sequence[str], cwd: Path | None = None) -> CommandError:
    """The error for a program that is not installed, or a folder that does not exist."""
    if cwd is not None and not cwd.is_dir():
        return CommandError(f"{argv[0]} cannot be run in {cwd}: no such folder")
    return CommandError(
        brief=f"{argv[0]}: no such program on this host",
        details=f"$ {shlex.join(argv)}",
        hint="Run `kubelab doctor` to see what this host lacks and how to install it.",
    )


@contextmanager
def lend(handle: int) -> Iterator[None]:
    """Let processes of ``run`` in the block inherit an open file, and with it its lock.

    Such a process continues if kubelab is killed. It then still holds the lock.
    """
    token = _LENT.set((handle,))
    try:
        yield
    finally:
        _LENT.reset(token)


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float | None = 600,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hint: str = "",
) -> Result:
    """Run ``argv`` to its end and return its exit code and output.

    ``timeout`` is in seconds. ``env`` is added to kubelab's environment. Standard input is empty
    unless given.

    Raises:
        CommandError: the program is missing, timed out, or (with ``check``) failed.
    """
    try:
        done = subprocess.run(
            list(argv),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            input=stdin if stdin is not None else "",
            timeout=timeout,
            env=_environment(env, cwd),
            cwd=cwd,
            pass_fds=_LENT.get(),
        )
    except FileNotFoundError:
        raise missing(argv, cwd) from None
    except subprocess.TimeoutExpired as late:
        output = late.stderr or late.stdout or b""
        text = output.decode(errors="replace") if isinstance(output, bytes) else output
        raise failure(argv, f"none, stopped after {timeout:.0f} s", text, hint) from None
    if check and done.returncode != 0:
        raise failure(argv, done.returncode, done.stderr or done.stdout, hint)
    return Result(tuple(argv), done.returncode, done.stdout, done.stderr)


def spawn(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that outlives kubelab, in a new session; ``log`` gets its output.

    Raises:
        CommandError: the program is missing.
    """
    with log.open("ab") as out:
        try:
            return subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        except FileNotFoundError:
            raise missing(argv) from None


def _environment(env: Mapping[str, str] | None, cwd: Path | None) -> dict[str, str]:
    # Like a shell's cd, because some programs read the path with its symbolic links from PWD.
    place = {"PWD": str(cwd)} if cwd else {}
    return {**os.environ, **place, **(env or {})}


def end_children() -> None:
    """Kill all running child processes and their descendants.

    Processes of ``spawn`` are kept: they have their own session, and other commands may use them.
    """
    session = os.getsid(0)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(child.pid) == session:
                child.kill()


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(env, cwd),
            cwd=cwd,
        )
    except FileNotFoundError:
        raise missing(argv, cwd) from None


@contextmanager
def stream(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hint: str = "",
) -> Iterator[Iterator[str]]:
    """Run ``argv`` and yield an iterator of its output lines (stdout and stderr together).

    The process is killed if the block ends by an exception.

    Raises:
        CommandError: the program is missing or failed.
    """
    process = _start(argv, env, cwd)
    seen: list[str] = []

    def lines() -> Iterator[str]:
        assert process.stdout is not None
        for line in process.stdout:
            seen.append(line)
            del seen[: -TAIL_LINES * 4]
            yield line.rstrip("\n")

    try:
        yield lines()
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait(timeout=30)
        raise
    if code != 0:
        raise failure(argv, code, "".join(seen), hint)


class Background:
    """A process that runs beside this one, and the lines that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ended = False

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, seconds: float) -> str:
        """The next line; empty if none comes within ``seconds`` or the process has ended."""
        try:
            found = None if self.ended else self._lines.get(timeout=seconds)
        except queue.Empty:
            return ""
        self.ended = found is None
        return found or ""


@contextmanager
def background(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None
) -> Iterator[Background]:
    """Run ``argv`` while a block runs, and kill it at the block's end.

    Raises:
        CommandError: the program is missing.
    """
    process = _start(argv, env, None)
    try:
        yield Background(process)
    finally:
        process.kill()
        process.wait(timeout=30)
