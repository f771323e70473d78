"""Labs of this folder, of others, and of folders that are gone."""

import pytest

from provisioner.artifacts.offer import offers
from provisioner.errors import UsageError
from provisioner.lab import Lab, home
from provisioner.model import HostLab
from provisioner.providers.naming import keep_label, label_of
from provisioner.queries import labs
from provisioner.spec import parse_spec


@pytest.fixture
def own(good, monkeypatch):
    lab = Lab("embedded")
    lab.prepare()
    lab.save_spec(parse_spec(good, "lab.yml", offers))
    keep_label(lab.name, lab.dir)
    return lab


@pytest.fixture
def on_host(monkeypatch):
    found = []
    monkeypatch.setattr(labs, "labs_on_host", lambda: found)
    return found


def elsewhere(tmp_path, name="x"):
    folder = tmp_path / "other" / name
    folder.mkdir(parents=True)
    (folder / "lab.yml").touch()
    keep_label(name, folder)
    return HostLab(label_of(name, folder), "machine", 1, folder)


def test_a_lab_of_this_folder_is_told_once(own, on_host):
    on_host.append(HostLab(label_of(own.name, own.dir), "machine", 0, own.dir))
    (row,) = labs.labs_here() + labs.labs_elsewhere()
    assert (row["name"], row["folder"]) == ("embedded", str(home() / "embedded"))
    assert row["state"] == "0 of 3 machines run"


def test_a_lab_that_cannot_be_read_does_not_hide_the_others(own, on_host):
    broken = Lab("broken")
    broken.prepare()
    broken.spec_file.write_text("[")
    states = {row["name"]: row["state"] for row in labs.labs_here()}
    assert states["broken"].startswith("not readable: ")
    assert states["embedded"] == "0 of 3 machines run"


def test_a_lab_whose_folder_is_gone_is_lost_and_found_by_name_and_label(on_host, tmp_path):
    lost = HostLab("x-123456", "machine", 2, tmp_path / "gone/x")
    on_host.append(lost)
    (row,) = labs.labs_elsewhere()
    assert row["state"] == "lost, 2 machines run"
    assert labs.lost_lab("x") == labs.lost_lab("x-123456") == lost


def test_a_lab_of_another_folder_is_not_lost(on_host, tmp_path):
    on_host.append(elsewhere(tmp_path))
    (row,) = labs.labs_elsewhere()
    assert row["state"] == "1 machine runs"
    with pytest.raises(UsageError, match="of another folder") as refused:
        labs.lost_lab("x")
    assert f"KUBELAB_HOME={tmp_path / 'other'} kubelab destroy --name x" in refused.value.hint


def test_a_folder_that_has_another_lab_now_does_not_make_it_found(on_host, tmp_path):
    now = elsewhere(tmp_path)
    on_host.append(HostLab("x-000000", "machine", 1, now.folder))
    assert labs.lost_lab("x").label == "x-000000"


def test_lost_labs_of_one_name_are_told_apart_by_their_labels(on_host):
    on_host += [HostLab("x-111111", "machine", 0, None), HostLab("x-222222", "vagrant", 0, None)]
    with pytest.raises(UsageError, match="several") as refused:
        labs.lost_lab("x")
    assert "x-111111, x-222222" in refused.value.details
    assert labs.lost_lab("x-222222").provider == "vagrant"


def test_an_unknown_name_is_told(on_host):
    with pytest.raises(UsageError, match="no lab named 'x'"):
        labs.lost_lab("x")
