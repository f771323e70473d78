"""Playbooks by plain Ansible: which inventories they refuse, and from where they run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.roles.manifests import ROLES

PLAYBOOKS = sorted((ROLES.parent / "playbooks").glob("*.yml"))
HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
KUBESPRAY = {
    "kube_control_plane": {"hosts": {"a": HOST}},
    "kube_node": {"hosts": {"b": HOST}},
    "k8s_cluster": {"children": {"kube_control_plane": {}, "kube_node": {}}},
}
OURS = {
    "control_plane": {"hosts": {"a": HOST}},
    "workers": {"hosts": {"b": HOST}},
    "cluster": {"children": {"control_plane": {}, "workers": {}}},
}


@pytest.fixture
def run(tmp_path):
    """Runs a playbook from a folder where no setting of ours is."""

    def run(playbook, groups, *words, code=2):
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "-i", "hosts.yml", str(playbook), *words],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == code, said
        return said

    return run


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_an_inventory_without_our_groups_is_refused_by_name(playbook, run):
    said = run(playbook, KUBESPRAY)
    assert "no host in cluster and control_plane" in said
    assert "k8s_cluster, kube_control_plane, kube_node" in said
    assert "inventory/examples/hosts.yml" in said


def test_a_limit_does_not_hide_it(run):
    assert "no host in cluster" in run(PLAYBOOKS[0], KUBESPRAY, "--limit", "b")


def test_a_group_without_a_host_is_none(run):
    empty = {**OURS, "control_plane": {"hosts": {}}}
    assert "no host in control_plane;" in run(PLAYBOOKS[0], empty)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_roles_are_found_from_any_folder(playbook, run):
    run(playbook, OURS, "--list-tasks", code=0)


def test_an_inventory_of_ours_passes(run):
    assert "failed=0" in run(ROLES.parent / "playbooks/check.yml", OURS, "--limit", "b", code=0)


CHECKS = re.compile(r"play #\d+ \((\S+)\): Check the inventory TAGS: \[\] pattern: \[.*?\] hosts")


@pytest.mark.parametrize(("name", "imported"), [("site.yml", 4), ("join.yml", 0)])
def test_a_playbook_checks_the_inventory_once_also_where_it_imports_others(name, imported, run):
    said = run(ROLES.parent / "playbooks" / name, OURS, "--list-hosts", code=0)
    assert CHECKS.findall(said) == ["all", *["all:!all"] * imported]
