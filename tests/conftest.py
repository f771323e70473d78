"""What all tests share: the labs, their order, and skips that must be expected."""

import importlib.util
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.hosts import changes_since, host_state
from tests.labs import HOME, KUBELAB, PROJECT, Lab, Labs, SharedLab, remove
from tests.nodes import node_state
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [
    "HOME",
    "KUBELAB",
    "PROJECT",
    "Lab",
    "changes_since",
    "host_state",
    "node_state",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "remove",
]
# Within a lab: what starts from nothing, what finds it whole, and what ends it.
STAGES = {"nothing": 0, "whole": 1, "end": 2}


def module_of(role: str, name: str) -> ModuleType:
    """A module for Ansible that a role brings, to call what is in it."""
    path = PROJECT / "roles" / role / "library" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories of one lab come together, so that each lab is made once; their order is free."""

    def place(item: pytest.Item) -> tuple[str, int]:
        mark = item.get_closest_marker("lab")
        return (mark.args[0], STAGES[mark.kwargs.get("needs", "whole")]) if mark else ("", 0)

    items.sort(key=place)


@pytest.fixture(scope="session")
def labs() -> Iterator[Labs]:
    """The shared labs; nothing of them is left at the end."""
    found = Labs()
    yield found
    found.drop()


@pytest.fixture
def lab(labs: Labs, request: pytest.FixtureRequest) -> Iterator[SharedLab]:
    """The lab that the test is marked with, as it came up; or not there, if it needs nothing."""
    mark = request.node.get_closest_marker("lab")
    found, needs = labs.take(mark.args[0]), mark.kwargs.get("needs", "whole")
    if needs == "nothing":
        found.remove()
        found.prepare()
    elif needs == "whole" or not found.exists:
        found.ready()
    failed = request.session.testsfailed
    yield found
    looked_only = mark.kwargs.get("changes") is False
    found.touched = not looked_only or request.session.testsfailed > failed


@pytest.fixture(scope="module")
def module_lab(labs: Labs, request: pytest.FixtureRequest) -> Iterator[SharedLab]:
    """The same for a whole file, whose tests look at what was dear to set up."""
    found = labs.take(request.node.get_closest_marker("lab").args[0])
    found.ready()
    yield found
    found.touched = True
