"""What roles refuse, with the sentence that Ansible shows; no run changes this host."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.roles.manifests import ROLES, manifest

HOST = {"ansible_connection": "local", "ansible_host": "127.0.0.1", "ansible_become": False}


@pytest.fixture
def play(tmp_path):
    """Runs a role on made-up hosts of a made-up set; all that Ansible said."""

    def command(role, given=None, components=None, hosts=("a",), code=2, more=()):
        components = manifest() if components is None else components
        (tmp_path / "manifest.json").write_text(json.dumps(components))
        own = {**HOST, "ansible_python_interpreter": sys.executable, "artifacts_dir": str(tmp_path)}
        groups = {
            "cluster": {"hosts": {host: {} for host in hosts}, "vars": {**own, **(given or {})}},
            "control_plane": {"hosts": {hosts[0]: {}}},
            "workers": {"hosts": {host: {} for host in hosts[1:]}},
        }
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
        plays = [{"hosts": "cluster", "gather_facts": False, "roles": [role]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "-i", tmp_path / "hosts.yml", tmp_path / "play.yml", *more],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROLES.parent / "ansible.cfg"),
                "ANSIBLE_ROLES_PATH": str(ROLES),
            },
            cwd=ROLES.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return " ".join(done.stdout.split())

    return command


def test_an_old_name_is_refused_with_the_new_one(play):
    said = play("common", {"docker_storage_driver": "vfs", "worker_join_ttl": "1h"})
    assert "Rename" in said
    assert "docker_storage_driver to runtime_storage_driver" in said
    assert "worker_join_ttl to join_token_ttl" in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kubernetes_version": "1.31.4"}, "kubernetes_version is 1.31.4, and the artifact set "),
        ({"cni_name": "bridge"}, "cni_name is bridge, and the artifact set "),
    ],
)
def test_a_value_that_the_set_lacks_is_refused(play, given, sentence):
    assert sentence in play("common", given)


def test_a_set_of_an_older_kubelab_is_refused(play):
    assert "has another schema than these roles read" in play(
        "common", components={"artifacts": []}
    )


@pytest.mark.parametrize("name", ["workers", "cluster"])
def test_a_host_with_the_name_of_a_group_is_refused(play, name):
    said = play("common", hosts=("a", name, "b"))
    assert "hosts and groups of the same name" in said
    assert f"Rename the host {name}." in said


def test_a_host_without_old_names_passes(play):
    assert "failed=0" in play("common", {"kubernetes_version": "1.20.2"}, code=0)


def test_a_run_without_a_set_is_refused(play):
    said = play("artifact_set", {"artifacts_dir": "/not/there"})
    assert "there is no /not/there/manifest.json" in said


@pytest.mark.parametrize("role", ["drain", "reset"])
def test_two_nodes_at_once_are_refused_also_with_a_limit(play, role):
    said = play(role, {"artifacts_dir": "/not/there"}, hosts=("a", "b", "c"), more=("-l", "b,c"))
    assert "2 nodes are in this play, and one may be" in said


def test_a_control_plane_is_not_reset(play):
    said = play("reset")
    assert "a is the control plane" in said
    assert "reset_control_plane" in said


def test_an_addon_that_the_set_lacks_is_refused(play):
    said = play("addon", {"addon_names": ["hello"]})
    assert "addon_names has hello, and the artifact set" in said
    assert "has no addon" in said


def test_a_dashboard_that_the_set_lacks_is_refused(play):
    said = play("dashboard", {"dashboard_name": "headlamp"})
    assert "dashboard_name is headlamp, and the artifact set" in said
