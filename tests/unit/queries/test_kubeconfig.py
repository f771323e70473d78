"""A lab in the user's own kubeconfig, whatever else that has."""

import time
from types import SimpleNamespace

import pytest
import yaml

from provisioner.errors import LabError
from provisioner.lab import Lab
from provisioner.queries.kubeconfig import merge_kubeconfig
from tests.unit.spec.test_load import TOO_MUCH

KUBEADM = """
apiVersion: v1
kind: Config
current-context: admin@kubernetes
clusters: [{name: kubernetes, cluster: {server: "https://10.77.0.10:6443"}}]
users: [{name: kubernetes-admin, user: {client-key-data: a2V5}}]
contexts:
  - {name: admin@kubernetes, context: {cluster: kubernetes, user: kubernetes-admin}}
"""
# Keys that the kubectl of the lab does not know, and an entry whose file is gone.
MINE = """
apiVersion: v1
kind: Config
current-context: mine
clusters:
  - name: mine
    cluster: {server: "https://mine", disable-compression: true}
  - name: gone
    cluster: {server: "https://gone", certificate-authority: /nowhere/ca.crt}
users:
  - name: mine
    user: {exec: {command: login, interactiveMode: IfAvailable}}
contexts:
  - name: mine
    context: {cluster: mine, user: mine}
extension-of-somebody: {a: 1}
"""


@pytest.fixture
def merge(tmp_path):
    lab = Lab("embedded")
    lab.prepare()
    lab.kubeconfig.write_text(KUBEADM)

    def merge(target):
        merge_kubeconfig(SimpleNamespace(lab=lab), target)
        return yaml.safe_load(target.read_text())

    return merge


@pytest.fixture
def target(tmp_path):
    (tmp_path / "home/.kube").mkdir(parents=True)
    return tmp_path / "home/.kube/config"


def test_without_a_file_the_lab_is_all_there_is(merge, target):
    merged = merge(target)
    assert merged["current-context"] == "embedded"
    assert merged["contexts"] == [
        {"name": "embedded", "context": {"cluster": "embedded", "user": "embedded"}}
    ]
    assert [cluster["name"] for cluster in merged["clusters"]] == ["embedded"]
    assert target.stat().st_mode & 0o077 == 0


def test_what_others_have_there_stays_as_it_is(merge, target):
    target.write_text(MINE)
    merged, mine = merge(target), yaml.safe_load(MINE)
    for kind in ("clusters", "users", "contexts"):
        assert merged[kind][: len(mine[kind])] == mine[kind]
        assert merged[kind][-1]["name"] == "embedded"
    assert merged["extension-of-somebody"] == {"a": 1}
    (before,) = target.parent.glob("config.*.before-kubelab")
    assert before.read_text() == MINE


def test_a_second_merge_replaces_the_first(merge, target):
    target.write_text(MINE)
    assert merge(target) == merge(target)


def test_a_link_stays_a_link(merge, target, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles/kubeconfig").write_text(MINE)
    target.symlink_to(tmp_path / "dotfiles/kubeconfig")
    merge(target)
    assert target.is_symlink()
    assert "embedded" in (tmp_path / "dotfiles/kubeconfig").read_text()


@pytest.mark.parametrize("text", ["[a]", "clusters: [a]", "{", "text", "clusters: 1"])
def test_what_is_no_kubeconfig_is_named_and_left_alone(text, merge, target):
    target.write_text(text)
    with pytest.raises(LabError, match="no kubeconfig"):
        merge(target)
    assert target.read_text() == text


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_kubeconfig_that_is_too_much_is_refused_within_a_second_and_stays(name, tmp_path):
    target = tmp_path / "config"
    target.write_text(TOO_MUCH[name][0])
    size = target.stat().st_size
    begin = time.process_time()
    with pytest.raises(LabError, match="is no kubeconfig"):
        merge_kubeconfig(SimpleNamespace(lab=Lab("x")), target)
    assert time.process_time() - begin < 1
    assert target.stat().st_size == size
