"""Specs of earlier versions, and labs that outlive the version that made them."""

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.errors import SpecError
from provisioner.spec import parse_spec, read_stored
from provisioner.spec.migrate import migrated

SUM = "0" * 64


@pytest.fixture
def stored(tmp_path, good):
    """A lab's own spec with changes, as a file."""

    def write(change=lambda data: None):
        change(good)
        path = tmp_path / "lab.yml"
        path.write_text(yaml.safe_dump(good))
        return path

    return write


def test_a_spec_without_a_version_is_of_the_first(good):
    assert parse_spec(good, "lab.yml", offers).spec_version == 2


def test_overrides_of_the_first_version_get_the_keys_of_today():
    first = {
        "artifacts_cni": {"weave": {"images": {}}},
        "artifacts_kubernetes": {"1.20.2": {"kubeadm_api": "x"}},
        "artifacts_dashboards": {"kube-web-view": {}},
        "artifacts_builds": {"weave-kube-2.8.10": {"sha256": SUM}},
    }
    found = migrated({"artifacts": {"overrides": first}}, "lab.yml")
    assert found["artifacts"]["overrides"] == {
        "artifacts_builds": {"weave-kube-2.8.10": {"sha256": SUM}},
        "artifacts_cni_weave": {},
        "artifacts_kubernetes_1_20_2": {"settings": {"kubeadm_api": "x"}},
        "artifacts_dashboard_kube_web_view": {},
    }


def test_a_binary_of_the_first_version_is_a_file_of_the_set():
    parts = {"binaries": {"kubectl": "a/b"}, "cni": {"x": "c/d"}}
    first = {"artifacts_kubernetes": {"1.20.2": parts}}
    found = migrated({"artifacts": {"overrides": first}}, "lab.yml")["artifacts"]["overrides"]
    files = found["artifacts_kubernetes_1_20_2"]["files"]
    assert files == {"bin/kubectl": "a/b", "cni/x": "c/d"}


def test_today_is_left_as_it_is(good):
    spec = parse_spec(good, "lab.yml", offers).model_dump()
    assert migrated(spec, "lab.yml") == spec


@pytest.mark.parametrize("version", [3, 0, -1, "2", 1.5, True, None])
def test_a_version_that_nobody_knows_is_refused(good, version):
    good["spec_version"] = version
    with pytest.raises(SpecError, match="spec_version"):
        parse_spec(good, "lab.yml", offers)


def test_a_stored_spec_is_not_judged(stored):
    found = read_stored(stored(lambda data: data["kubernetes"].update(version="9.9.9")))
    assert found.spec.kubernetes.version == "9.9.9"
    assert found.unknown == ()


def test_keys_that_nobody_knows_any_more_are_left_out_and_told(stored):
    def change(data):
        data["gone"] = []
        data["nodes"][1]["colour"] = "red"
        data["provider"]["speed"] = 3

    found = read_stored(stored(change))
    assert set(found.unknown) == {"gone", "nodes[1].colour", "provider.speed"}
    assert len(found.spec.nodes) == 3


def test_a_pod_network_that_is_gone_is_told(stored):
    found = read_stored(stored(lambda data: data.update(cni={"name": "gone"})))
    assert found.unknown == ("cni",)


def test_a_damaged_file_is_refused(stored):
    with pytest.raises(SpecError, match="nodes"):
        read_stored(stored(lambda data: data.pop("nodes")))
