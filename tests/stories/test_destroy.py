"""The end of a lab."""

import pytest

from tests.hosts import settled_changes
from tests.labs import PLANS

EXTENDED = sorted(set(PLANS) - {"default"})


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("default", marks=pytest.mark.lab("default", needs="end")),
        *(
            pytest.param(name, marks=[pytest.mark.lab(name, needs="end"), pytest.mark.extended])
            for name in EXTENDED
        ),
    ],
)
def test_destroy_leaves_this_host_as_it_was(lab, name):
    assert lab.name == name
    lab.run("destroy", "--yes", "--name", lab.name)
    assert not lab.dir.exists()
    assert settled_changes(lab.before) == []
