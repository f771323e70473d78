"""What labs have on a host, without machines."""

from pathlib import Path

import pytest

from provisioner.model import HostLab
from provisioner.providers.nspawn import remains
from provisioner.shell import Result


class Group:
    def __init__(self, node, processes=()):
        self.node = node
        self.ids = set(processes)

    def processes(self):
        return self.ids


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with groups by label, and comments of rules."""
    groups, comments = {}, []

    def nft(*_, **__):
        rules = [f'{{"rule": {{"comment": "{text}"}}}}' for text in comments]
        return Result((), 0, f'{{"nftables": [{{}}, {", ".join(rules) or "{}"}]}}', "")

    monkeypatch.setattr(remains, "LINKS", tmp_path / "run/kubelab")
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(remains, "labels_of_groups", lambda: set(groups))
    monkeypatch.setattr(remains, "groups_of", lambda label: groups.get(label, []))
    monkeypatch.setattr(remains, "run", nft)
    return groups, comments


def test_a_lab_is_found_by_whatever_it_has_left(host, tmp_path):
    groups, comments = host
    groups["a-111111"] = [Group("one", [2**22 + 1]), Group("two")]
    comments += ["kubelab lab b-222222", "kubelab-12345678", "somebody's"]
    remains.claim("c-333333", tmp_path / "c")
    assert remains.labs_on_host() == [
        HostLab("a-111111", "machine", 1, None),
        HostLab("b-222222", "machine", 0, None),
        HostLab("c-333333", "machine", 0, tmp_path / "c"),
    ]


def test_a_lab_that_moved_claims_its_new_folder(host, tmp_path):
    for name in ("old", "new", "new"):
        remains.claim("a-111111", tmp_path / name)
    assert [lab.folder for lab in remains.labs_on_host()] == [tmp_path / "new"]


def test_a_machine_shows_where_its_folder_is_now(host, tmp_path, monkeypatch):
    groups, _ = host
    groups["a-111111"] = [Group("one", [7])]
    remains.claim("a-111111", tmp_path / "old")
    console = tmp_path / "new/machines/one/console.log"
    monkeypatch.setattr(Path, "readlink", lambda path: console if "/proc/7/" in str(path) else path)
    assert remains.labs_on_host()[0].folder == tmp_path / "new"


def test_machines_of_a_folder_that_was_another_are_strangers(host, tmp_path):
    groups, _ = host
    groups["a-111111"] = [Group("one", [1]), Group("two")]
    assert remains.strangers("a-111111", tmp_path) == ["one"]
    (tmp_path / "machines").mkdir()
    assert remains.strangers("a-111111", tmp_path) == []
