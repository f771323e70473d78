"""The lock of a host's networks: who can take it, how long is waited, and who is named."""

import os
import subprocess
import sys

import pytest

from provisioner.errors import BusyError
from provisioner.providers.nspawn import hostlock
from provisioner.providers.nspawn.hostlock import host_lock, remove_lock


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    place = tmp_path / "kubelab"
    monkeypatch.setattr(hostlock, "FOLDER", place)
    return place


@pytest.fixture
def holder(folder):
    """Another process that holds the lock, by a child, as that of a killed command does."""
    with host_lock():
        pass
    words = ["flock", "-x", str(folder / "lock"), "sh", "-c", "echo up; sleep 60"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "up\n"
    yield process
    os.killpg(process.pid, 9)
    process.wait(10)


def test_others_can_open_neither_the_file_nor_the_folder(folder):
    folder.mkdir(mode=0o755)
    with host_lock():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_of_everybody_is_not_locked(monkeypatch):
    """`flock -x /run sleep 999` of any user stalled every lab."""
    process = subprocess.Popen(["flock", "-x", "/run", "sleep", "60"])
    try:
        monkeypatch.setattr(hostlock, "SECONDS", 1.0)
        with host_lock():
            pass
    finally:
        process.kill()
        process.wait(10)


def test_who_holds_it_is_named_after_the_deadline_with_what_to_type(holder, monkeypatch):
    monkeypatch.setattr(hostlock, "SECONDS", 0.2)
    with pytest.raises(BusyError) as caught, host_lock():
        pass
    assert f"Process {holder.pid}: flock -x" in caught.value.details
    assert f"kill {holder.pid} " in caught.value.hint
    assert str(os.getpid()) not in caught.value.details.split()


def test_a_lock_that_is_removed_meanwhile_is_taken_anew(folder):
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {os.getcwd()!r})
from provisioner.providers.nspawn import hostlock
hostlock.FOLDER = Path({str(folder)!r})
with hostlock.host_lock():
    print("up", flush=True)
    sys.stdin.readline()
    hostlock.remove_lock()
print("gone", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "up\n"
    process.stdin.write("\n")
    process.stdin.flush()
    with host_lock():
        assert (folder / "lock").exists()
        remove_lock()
    assert not folder.exists()
    process.communicate(timeout=10)
