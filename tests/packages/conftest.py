"""A host like this one to install packages on: what they bring is in a folder of the test."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT


@pytest.fixture
def inside(tmp_path):
    """Runs a command on that host; what it printed."""

    def command(*argv, code=0):
        # Without /usr/local, where this host may have programs of the same names.
        path = f"{PROJECT / '.venv/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [Path(__file__).parent / "inside.sh", tmp_path / "node", "node", *argv],
            cwd=PROJECT,
            env={**os.environ, "PATH": path, "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return command
