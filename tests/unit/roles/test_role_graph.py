"""Roles use each other without a circle."""

from graphlib import TopologicalSorter
from itertools import chain

import yaml

from tests.unit.roles.manifests import ROLES

USES = ("import_role", "include_role")


def tasks_of(node):
    """All tasks of a file, those in blocks among them."""
    for task in node or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))


def used_by(role):
    """Names of the roles that a role's tasks and meta use."""
    for path in sorted((ROLES / role / "tasks").rglob("*.yml")):
        for task in tasks_of(yaml.safe_load(path.read_text())):
            for word in chain(USES, (f"ansible.builtin.{use}" for use in USES)):
                if word in task:
                    yield task[word]["name"]
    meta = ROLES / role / "meta/main.yml"
    dependencies = yaml.safe_load(meta.read_text())["dependencies"] if meta.is_file() else []
    yield from (d if isinstance(d, str) else d["role"] for d in dependencies or [])


GRAPH = {path.name: set(used_by(path.name)) for path in ROLES.iterdir() if path.is_dir()}


def test_the_graph_has_the_uses_that_are_known():
    assert {"common", "drain", "cni", "netfilter", "runtime"} <= GRAPH["reset"]
    assert "addon" in GRAPH["dashboard"]


def test_every_role_that_is_used_exists():
    assert set(chain(*GRAPH.values())) <= set(GRAPH)


def test_no_role_uses_itself_by_way_of_others():
    # It raises CycleError with the circle.
    TopologicalSorter(GRAPH).prepare()


def test_the_leaves_use_no_other_role():
    for leaf in ("common", "netfilter", "artifacts"):
        assert not GRAPH[leaf], leaf


def test_no_role_reads_the_catalogue():
    assert not [role for role, used in GRAPH.items() if "artifacts" in used]
    kept = {"artifacts_dir", "artifacts_node_dir"}
    names = {key for path in (ROLES / "artifacts/defaults").rglob("*.yml") for key in read(path)}
    assert not names & kept
    for path in ROLES.rglob("*"):
        inside = path.is_file() and ROLES / "artifacts" not in path.parents
        if inside and path.suffix in (".yml", ".j2"):
            text = path.read_text()
            assert not [name for name in names if name in text], path


def read(path):
    return yaml.safe_load(path.read_text()) or {}


def test_one_place_picks_the_first_control_plane():
    found = [
        path
        for path in [
            *ROLES.rglob("*.yml"),
            *ROLES.rglob("*.j2"),
            *ROLES.parent.glob("playbooks/*.yml"),
        ]
        if "groups['control_plane'][0]" in path.read_text()
    ]
    assert found == [ROLES / "common/defaults/main/cluster.yml"]
