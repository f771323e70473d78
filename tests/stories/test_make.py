"""The targets of the Makefile that lead to a lab, as somebody types them, from nothing on."""

import os
import subprocess

import pytest

from tests.hosts import host_state, settled_changes
from tests.labs import HOME, PROJECT

pytestmark = pytest.mark.extended
LAB = "made"


@pytest.fixture
def make(labs):
    """Runs a target on a lab of its own; a shared one would take its time from it."""
    labs.drop()

    def make(target, *words, code=0):
        done = subprocess.run(
            ["make", "--no-print-directory", target, f"LAB={LAB}", *words],
            cwd=PROJECT,
            env={**os.environ, "KUBELAB_HOME": str(HOME)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield make
    if (HOME / LAB / "lab.yml").exists():
        make("lab-down")


def test_the_targets_lead_through_the_life_of_a_lab(make):
    before = host_state()
    make("setup")
    assert "The cluster is up" in make("lab-up", "PROFILE=embedded")
    assert "worker2" in make("lab-status")
    assert "self-healing" in make("lab-verify")
    assert "Which node?" in make("lab-reset", code=2)
    make("lab-reset", "NODE=worker1")
    make("lab-rejoin", "NODE=worker1")
    make("lab-down")
    assert not (HOME / LAB).exists()
    assert settled_changes(before) == []
