"""A build that ends before its time leaves nothing behind but what the next one goes on from."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.labs import KUBELAB


def left_of(place):
    """Processes and mounts that have to do with a folder, in whatever mount namespace."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(place) in word for word in words):
            found.append(" ".join(words))
    return found + sorted(mounts_below(place))


def mounts_below(place):
    found = set()
    for table in Path("/proc").glob("[0-9]*/mounts"):
        try:
            found |= {line for line in table.read_text().splitlines() if str(place) in line}
        except OSError:
            continue
    return found


def entries(env):
    words = [str(KUBELAB), "artifacts", "list", "--verify", "--json"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["entries"]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGINT, 130, marks=pytest.mark.extended)],
)
def test_a_build_that_is_stopped_leaves_no_process_and_no_mount(tmp_path, number, code):
    env = {**os.environ, "KUBELAB_CACHE": str(tmp_path / "cache"), "KUBELAB_HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(KUBELAB), "artifacts", "build"], env=env, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 300
        tree = tmp_path / "cache/built/.draft-machine-root/tree"
        # debootstrap has mounts of its own once it configures packages.
        while not mounts_below(tree):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == code
    deadline = time.monotonic() + 10
    while (left := left_of(tmp_path / "cache")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    # What was half made is not taken for whole, and what was whole still is.
    found = entries(env)
    assert not [entry for entry in found if entry["name"].startswith("machine-root@")]
    assert [entry for entry in found if entry["fault"]] == []
    # The packages that were fetched are not fetched again.
    assert list((tmp_path / "cache/debs").glob("*.deb"))
