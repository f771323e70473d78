"""The end of the lab that the tests before this one lived in."""

import time

from tests.conftest import changes_since


def test_destroy_leaves_nothing(lab):
    lab.run("destroy", "--yes", "--name", lab.name)
    assert not lab.dir.exists()
    time.sleep(1)
    assert not changes_since(lab.before)
