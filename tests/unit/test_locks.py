"""Locks that other users cannot take."""

import pytest

from provisioner.lab import Lab, home
from provisioner.locks import private_lock


@pytest.mark.parametrize("mode", [None, 0o644, 0o666])
def test_nobody_else_can_open_a_lock(tmp_path, mode):
    """`flock` needs no more than a file that can be read."""
    file = tmp_path / "lock"
    if mode:
        file.touch()
        file.chmod(mode)
    with private_lock(file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_lock_of_a_lab_is_private():
    with Lab("one").locked("up"):
        assert (home() / ".one.lock").stat().st_mode & 0o077 == 0
