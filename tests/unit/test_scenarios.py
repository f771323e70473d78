"""The scenario files are read, their words mean something, and their moments are tasks of roles."""

import re

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.spec import parse_spec
from tests.labs import PLANS, PROJECT, SharedLab, with_changes
from tests.moments import MOMENTS
from tests.stories.runner import FOLDER, KEYS, act_of, found_at, is_as_expected, read_stories

STORIES = read_stories()


def test_there_are_stories_and_no_two_have_one_name():
    names = [(story.file, story.name) for story in STORIES]
    assert len(names) > 20
    assert len(set(names)) == len(names)


def test_every_story_has_a_lab_and_steps_that_mean_something():
    for path in FOLDER.glob("*.yml"):
        for given in yaml.safe_load(path.read_text()).get("stories", []):
            assert set(given) <= KEYS, path
    for story in STORIES:
        assert story.lab in PLANS, story
        assert story.needs in ("nothing", "whole"), story
        assert story.steps, story
        for step in story.steps:
            act_of(step)
            assert step.get("at", "init") in MOMENTS, step


def test_a_story_that_changes_nothing_calls_nothing_that_does():
    lively = re.compile(r"(node (drain|reset|rejoin|uncordon) worker\d|stop|start|destroy)$")
    for story in [story for story in STORIES if not story.changes]:
        for step in story.steps:
            refused = step.get("code", 0) == 2
            assert refused or not lively.match(str(step.get("kubelab", ""))), story.name


def tasks_of_roles() -> set[str]:
    found = set()
    for path in (PROJECT / "roles").glob("*/tasks/**/*.yml"):
        role = path.relative_to(PROJECT / "roles").parts[0]
        names = re.findall(r"^\s*- name: (.+)$", path.read_text(), re.M)
        found |= {f"{role} : {name}" for name in names}
    return found


def test_every_moment_is_a_task_that_a_role_has():
    named = {
        task for moment in MOMENTS.values() for task in (moment.task, moment.waits) if " : " in task
    }
    assert named
    assert named - tasks_of_roles() == set()


@pytest.mark.parametrize("name", PLANS)
def test_every_lab_has_a_spec_that_is_taken(name, tmp_path):
    data = SharedLab(name).data()
    assert parse_spec(data, name, offers).name == name
    assert len({plan.network for plan in PLANS.values()}) == len(PLANS)


def test_changes_of_a_spec_go_to_their_place():
    data = {"nodes": [{"name": "a"}, {"name": "b"}], "cni": {"name": "flannel"}}
    done = with_changes(data, {"nodes.1": None, "nodes.0.name": "c", "cni.backend": "host-gw"})
    assert done == {"nodes": [{"name": "c"}], "cni": {"name": "flannel", "backend": "host-gw"}}
    assert data["nodes"][1] == {"name": "b"}


def shown_commands() -> set[str]:
    """Every command of ours in a block of a page, without what is said of it behind ``#``."""
    pages = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").glob("*.md")]
    ours = r"^(?:[#$] )((?:\w+=\S+ )*(?:kubelab|make|ansible-playbook) .*?)(?:[ ]+#.*)?$"
    found = set()
    for page in pages:
        blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S)
        found |= {command for block in blocks for command in re.findall(ours, block, re.M)}
    return found


def as_step(command: str) -> tuple[str, str]:
    """The step of a story that a command is."""
    command = re.sub(r"-f (\w+)\.yml", r"-f {\1}", command)
    for prefix, act in (
        ("kubelab kubectl -- ", "kubectl"),
        ("kubelab ssh ", "ssh"),
        ("kubelab ", "kubelab"),
        ("ansible-playbook -i .lab/embedded/inventory.yml playbooks/", "ansible"),
    ):
        if command.startswith(prefix):
            text = command.removeprefix(prefix)
            return act, text.replace(" -- ", " ") if act == "ssh" else text
    return "", command


def test_every_command_that_a_page_shows_is_run():
    run = {(act_of(step), str(step[act_of(step)])) for story in STORIES for step in story.steps}
    elsewhere = yaml.safe_load((FOLDER / "documents.yml").read_text())["elsewhere"]
    shown = shown_commands()
    assert len(shown) > 20
    assert {c for c in shown if as_step(c) not in run} - set(elsewhere) == set()
    assert set(elsewhere) - shown == set(), "no page shows it any more"
    assert [place for place in elsewhere.values() if not (PROJECT / place).is_file()] == []


DOCUMENT = {"ok": True, "nodes": [{"name": "a", "cpus": 1}, {"name": "b", "cpus": 2}]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ok", [True]),
        ("nodes.*.name", ["a", "b"]),
        ("nodes.name=b.cpus", [2]),
        ("nodes.0.cpus", [1]),
        ("nodes.name=c.cpus", []),
    ],
)
def test_a_path_finds_what_is_there(path, found):
    assert found_at(DOCUMENT, path) == found


@pytest.mark.parametrize(
    ("found", "wanted", "met"),
    [
        ([1, 1], 1, True),
        ([1, 2], 1, False),
        ([], 1, False),
        ([2], {"above": 1}, True),
        ([1], {"above": 1}, False),
        ([], {"above": 1}, False),
        (["b", "a"], {"exactly": ["a", "b"]}, True),
        (["a"], {"exactly": ["a", "b"]}, False),
        ([[]], {"exactly": [[]]}, True),
        (["a: not Ready"], {"contains": "not"}, True),
        (["Ready"], {"not": "Ready"}, False),
        ([], {"not": "Ready"}, False),
    ],
)
def test_what_is_found_is_compared(found, wanted, met):
    assert is_as_expected(found, wanted) is met
