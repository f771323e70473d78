"""Who may do what: a place that is not this user's is told in words, with what to type."""

import os
import subprocess

import pytest
import yaml

from tests.labs import KUBELAB, SharedLab

# A user who owns nothing of the host: root's files are not root's own there.
NOT_ROOT = ("unshare", "--user")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
OTHER = 12345


@pytest.fixture
def home(tmp_path):
    """A folder of labs with the files of one lab, which was never made."""
    folder = tmp_path / "labs"
    (folder / "mine").mkdir(parents=True)
    data = SharedLab("default").data() | {"name": "mine"}
    (folder / "mine/lab.yml").write_text(yaml.safe_dump(data).replace("10.81.0.", "10.86.0."))
    return folder


def other_owner(path, mode):
    os.chown(path, OTHER, OTHER)
    path.chmod(mode)


def read_only(home):
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY, str(home))


def not_root(home):
    return NOT_ROOT


def folder_of_another(home):
    other_owner(home / "mine", 0o700)
    return NOT_ROOT


def labs_of_another(home):
    other_owner(home, 0o700)
    return NOT_ROOT


def file_of_another(home):
    other_owner(home / "mine/lab.yml", 0o600)
    return NOT_ROOT


def linked_lock(home):
    (home / ".mine.lock").symlink_to("/etc/hostname")
    return ()


def lock_that_is_a_folder(home):
    (home / ".mine.lock").mkdir()
    return ()


def lock_of_another(home):
    (home / ".mine.lock").touch()
    other_owner(home / ".mine.lock", 0o600)
    return NOT_ROOT


def file_in_place_of_a_folder(home):
    (home / "mine/run").touch()
    return ()


KINDS = {
    read_only: ("stop", "KUBELAB_HOME"),
    not_root: ("start", "sudo"),
    folder_of_another: ("status", "sudo -u"),
    labs_of_another: ("list", "sudo -u"),
    file_of_another: ("status", "sudo -u"),
    linked_lock: ("stop", "rm "),
    lock_that_is_a_folder: ("stop", "rmdir "),
    lock_of_another: ("stop", "sudo -u"),
    file_in_place_of_a_folder: ("stop", "mv "),
}


@pytest.mark.parametrize("named", [True, False], ids=["named", "the only one"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_place_that_does_not_serve_is_told_in_words(kind, named, home):
    command, says = KINDS[kind]
    prefix = kind(home)
    name = ["--name", "mine"] if named and command != "list" else []
    done = subprocess.run(
        [*prefix, str(KUBELAB), command, *name],
        env={**os.environ, "KUBELAB_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 3, said
    assert "bug of kubelab" not in said
    assert "Traceback" not in said
    assert says in said, said


def test_what_a_killed_command_left_of_its_lock_is_in_nobodys_way(home):
    (home / ".mine.lock").touch()
    (home / ".mine.holder").write_text("`kubelab up`, process 1, since 00:00:00")
    done = subprocess.run(
        [str(KUBELAB), "stop", "--name", "mine"], env={**os.environ, "KUBELAB_HOME": str(home)}
    )
    assert done.returncode == 0
