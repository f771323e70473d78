"""A task's name is a verb and an object, in the words of the field."""

import re

import pytest
import yaml

from tests.unit.roles.manifests import ROLES

# A new verb belongs here only where none of these says it.
VERBS = set(
    """
    Allow Apply Check Clean Clear Compare Configure Connect Copy Create Delete Destroy
    Disable Drain Empty Exclude Find Initialise Install Join List Load
    Mount Open Pack Ping Prepare Read Record Refuse Reload Remove Renew Report Reset Retire Run
    Serve Set Start Stop Synchronise Trust Uncordon Unpack Wait Write
    """.split()  # noqa: SIM905
)
PLAYBOOKS = sorted((ROLES.parent / "playbooks").glob("*.yml"))
FILES = [*sorted(ROLES.glob("*/tasks/**/*.yml")), *PLAYBOOKS]


def named(node):
    """Every play, task and block of a file."""
    for item in node or []:
        yield item
        for part in ("tasks", "block", "rescue", "always"):
            yield from named(item.get(part))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROLES.parent)))
def test_a_name_is_a_verb_and_an_object(path):
    for item in named(yaml.safe_load(path.read_text())):
        first, _, rest = item["name"].partition(" ")
        assert first in VERBS, item["name"]
        # "Join" is what kubeadm calls it.
        assert rest or first == "Join", item["name"]
        assert not re.match(r"(it|them|this|what is)\b", rest), item["name"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROLES.parent)))
def test_a_task_that_tries_again_waits_whole_seconds(path):
    """Ansible cuts a fraction off: a delay of 0.5 is none, and its tries are over in a moment."""
    for item in named(yaml.safe_load(path.read_text())):
        if "until" in item:
            assert isinstance(item["delay"], int) and item["delay"] >= 1, item["name"]


def test_every_verb_is_used():
    used = {
        item["name"].partition(" ")[0]
        for path in FILES
        for item in named(yaml.safe_load(path.read_text()))
    }
    assert used == VERBS
