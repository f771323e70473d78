"""What differs between components of a kind is in their catalogue files; the rest is refused."""

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


def addon(**more):
    settings = {"template": "x.yml.j2", "namespace": "x"}
    return {"kind": "addon", "name": "x", "version": "1", "settings": settings, **more}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"template": "../x.j2"}, "settings.template: leads out"),
        ({"template": "a/x.j2"}, "settings.template: .*not a template"),
        ({"template": "/etc/shadow"}, "settings.template: .*not a template"),
        ({"namespace": "--all"}, "settings.namespace: .*not a DNS label"),
        ({"wait_for": "deployment/x"}, "settings.wait_for: .*list"),
    ],
)
def test_settings_of_an_addon_are_names(settings, told):
    settings = {**addon()["settings"], **settings}
    with pytest.raises(SpecError) as refused:
        load_catalog({"artifacts_addon_x": addon(settings=settings)})
    assert re.search(f"artifacts_addon_x.{told}", str(refused.value))


def test_a_template_may_read_settings_of_its_own():
    settings = {**addon()["settings"], "template": "/srv/x.yml.j2", "colour": "blue"}
    found = load_catalog({"artifacts_addon_x": addon(settings=settings)}).of_kind("addon")
    assert found[0].settings["colour"] == "blue"


def asking(*words):
    check = {"name": "x", "kubectl": list(words), "expects": "x"}
    return {"artifacts_addon_x": addon(checks=[check])}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("config", "set-credentials", "x", "--exec-command=/x"),
        ("cp", "x/pod:/x", "/root/.bashrc"),
        ("--kubeconfig=/x", "get", "pods"),
        ("get", "pods", "--kubeconfig", "/x"),
        ("get", "-n", "--kubeconfig=/x", "pods"),
        ("get", "-f", "/x"),
        ("get", "pods", "-Af/x"),
        ("get", "pods", "--profile=cpu", "--profile-output=/etc/x"),
        ("get", "pods", "--cache-dir=/x"),
        ("get", "pods", "-o", "go-template-file=/etc/shadow"),
    ],
)
def test_a_check_that_is_no_question_to_the_api_is_refused(words):
    with pytest.raises(SpecError, match=r"artifacts.overrides does not fit") as refused:
        load_catalog(asking(*words))
    assert "artifacts_addon_x.checks[0].kubectl: " in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "--raw", "/api/v1/namespaces/hello/configmaps/page"),
        ("get", "pods", "-A", "-l", "a=b", "-ojsonpath={.items[*].metadata.name}"),
        ("wait", "deployment/x", "-n", "x", "--for=condition=Available", "--timeout=9s"),
        ("logs", "deployment/x", "-n", "x", "--tail=1"),
    ],
)
def test_questions_to_the_api_are_checks(words):
    assert load_catalog(asking(*words)).of_kind("addon")[0].checks[0].kubectl == list(words)
