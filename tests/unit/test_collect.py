"""What is too slow to run here is at least looked at: every test is found, every play is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(
    str(path.relative_to(PROJECT))
    for path in (PROJECT / "tests").iterdir()
    if path.name != "unit" and any(path.glob("test_*.py"))
)
PLAYS = sorted(
    str(path.relative_to(PROJECT)) for path in (PROJECT / "tests").glob("packages/*.yml")
)
PLAYS.append("tests/stories/weave.yml")


def run(*words):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [*words], cwd=PROJECT, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_every_test_that_needs_more_than_this_is_found():
    done = run(sys.executable, "-m", "pytest", "--collect-only", "-q", *FOLDERS)
    assert len(FOLDERS) > 6
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("play", PLAYS)
def test_every_play_of_the_tests_names_roles_that_there_are(play):
    done = run("ansible-playbook", "-i", "localhost,", "--syntax-check", play)
    assert done.returncode == 0, done.stderr
