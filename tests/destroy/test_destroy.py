"""The end of the lab that the tests before this one lived in."""

import time
from pathlib import Path

from tests.conftest import changes_since


def test_destroy_leaves_nothing(lab):
    lab.run("destroy", "--yes", "--name", lab.name)
    assert not lab.dir.exists()
    time.sleep(1)
    assert not changes_since(lab.before)


def test_no_secret_was_left_in_the_temporary_folder():
    assert not list(Path("/tmp").glob("kubelab-ansible-*"))
