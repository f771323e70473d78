"""A build that ends before its time leaves nothing behind but what the next one goes on from."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import KUBELAB


def left_of(place):
    """Processes and mounts that have to do with a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(place) in word for word in words):
            found.append(" ".join(words))
    mounts = Path("/proc/mounts").read_text().splitlines()
    return found + [line for line in mounts if str(place) in line]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_build_that_is_stopped_leaves_no_process_and_no_mount(tmp_path, number, code):
    env = {**os.environ, "KUBELAB_CACHE": str(tmp_path / "cache"), "KUBELAB_HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(KUBELAB), "artifacts", "build"], env=env, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        # debootstrap has mounts of its own once it configures packages.
        while not list(tmp_path.glob("cache/built/.draft-machine-root/tree/usr/bin")):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(5)
        process.send_signal(number)
        assert process.wait(60) == code
    time.sleep(1)
    assert left_of(tmp_path / "cache") == []
    assert list(tmp_path.glob("cache/built/*@*")) or list(tmp_path.glob("cache/built/.draft-*"))
