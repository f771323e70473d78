"""Facts of pod networks are keys of their catalogue files, and wrong ones are refused."""

import re

import pytest

from provisioner.catalog.load import load_catalog
from provisioner.catalog.settings import PodNetwork
from provisioner.errors import SpecError

NETWORKS = {component.name: component for component in load_catalog({}).of_kind("cni")}


def test_every_pod_network_says_what_differs_from_the_others():
    facts = {name: PodNetwork(**component.settings) for name, component in NETWORKS.items()}
    assert {name for name, found in facts.items() if not found.pods} == {"bridge"}
    assert {name for name, found in facts.items() if found.network_policy} == {"weave"}
    assert all("cni_versions" in component.settings for component in NETWORKS.values())


def test_an_override_may_bring_a_pod_network_with_its_facts():
    more = {"kind": "cni", "name": "x", "version": "1", "settings": {"network_policy": True}}
    found = load_catalog({"artifacts_cni_x": more}).of_kind("cni")
    assert [c.name for c in found if PodNetwork(**c.settings).network_policy] == ["weave", "x"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"pod": False}, "settings.pod: .*; its keys are cni_versions, pods, network_policy"),
        ({"pods": "no"}, "settings.pods: .*boolean"),
        ({"network_policy": 1}, "settings.network_policy: .*boolean"),
        ({"cni_versions": []}, "settings.cni_versions: .*at least 1"),
        ({"cni_versions": [1.0]}, "settings.cni_versions.0: .*string"),
    ],
)
def test_a_fact_that_is_none_is_refused_with_its_key(settings, told):
    with pytest.raises(SpecError) as refused:
        load_catalog({"artifacts_cni_flannel": {"settings": settings}})
    assert re.search(f"artifacts.overrides.artifacts_cni_flannel.{told}", str(refused.value))
