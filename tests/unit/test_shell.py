import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner.errors import CommandError
from provisioner.shell import TETHER, run, stream, tail
from tests.labs import PROJECT


def test_a_failure_is_a_command_to_paste_its_code_and_what_it_said():
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo out; echo 'went wrong' >&2; exit 3"], hint="do this")
    assert caught.value.brief == "sh failed (exit code 3)"
    assert "$ sh -c 'echo out" in caught.value.details
    assert "went wrong" in caught.value.details
    assert caught.value.hint == "do this"


def test_a_missing_program_is_named():
    with pytest.raises(CommandError, match="no-such-program: no such program"):
        run(["no-such-program"])


def test_a_command_that_takes_too_long_is_stopped():
    begin = time.monotonic()
    with pytest.raises(CommandError, match="stopped after 0 s"):
        run(["sleep", "30"], timeout=0.2)
    assert time.monotonic() - begin < 10


def test_lines_come_as_they_are_printed():
    with stream(["sh", "-c", "echo one; echo two >&2"]) as lines:
        assert sorted(lines) == ["one", "two"]


def test_leaving_early_ends_the_process():
    with pytest.raises(RuntimeError), stream(["sh", "-c", "echo $$; exec sleep 60"]) as lines:
        process = int(next(iter(lines)))
        raise RuntimeError
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_folder_is_entered_under_the_name_it_was_given(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert run(["sh", "-c", "echo $PWD"], cwd=tmp_path / "link").stdout.strip().endswith("link")


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of its own needs root")
def test_a_tethered_process_ends_with_us(tmp_path):
    mark = tmp_path / "pid"
    child = os.fork()
    if child == 0:
        # The program inside sees a process id of its own namespace; its lock file tells enough.
        os.execvp(TETHER[0], [*TETHER, "sh", "-c", f"touch {mark}; exec sleep 61.5"])
    for _ in range(100):
        if mark.exists():
            break
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(100):
        if not any(b"61.5" in p.read_bytes() for p in _command_lines()):
            return
        time.sleep(0.05)
    pytest.fail("the process outlived its tether")


LENDER = """
import fcntl, os, sys
from provisioner.shell import lend, run
handle = os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC)
fcntl.flock(handle, fcntl.LOCK_EX)
with lend(handle):
    run(["sh", "-c", "touch $0; sleep 2; rm $0", sys.argv[2]])
"""


def test_a_lock_is_held_until_what_was_started_under_it_ends(tmp_path):
    working = tmp_path / "working"
    process = subprocess.Popen([sys.executable, "-c", LENDER, tmp_path, working], cwd=PROJECT)
    deadline = time.monotonic() + 30
    while not working.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait(10)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.close(handle)
    assert not working.exists()


def _command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            path.read_bytes()
        except OSError:
            continue
        yield path


def test_a_line_without_end_is_cut():
    assert tail("x" * 5000) == "x" * 600 + " ..."
    assert tail("\n\nshort\n") == "short"


def test_what_is_to_outlive_us_stays_when_the_rest_is_given_up(tmp_path):
    code = (
        "import subprocess, sys, time; from pathlib import Path;"
        "from provisioner.shell import end_children, spawn;"
        "ours = subprocess.Popen(['sleep', '60']);"
        "others = spawn(['sleep', '60'], Path(sys.argv[1]));"
        "end_children(); print(ours.wait(10)); time.sleep(0.3); print(others.poll());"
        "others.kill()"
    )
    done = run([sys.executable, "-c", code, str(tmp_path / "log")], cwd=PROJECT)
    assert done.stdout.split() == ["-9", "None"]
