"""What the role cni knows of each pod network, and Weave's objects as its options have them."""

import json
from pathlib import Path
from typing import get_args

import jinja2
import pytest
import yaml

from provisioner.spec import LabSpec

ROLE = Path(__file__).resolve().parents[3] / "roles/cni"
CATALOGUE = yaml.safe_load(FILE.read_text())
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
VARS = yaml.safe_load((ROLE / "vars/main.yml").read_text())
NETWORKS = {
    member.model_fields["name"].annotation.__args__[0]: member
    for member in get_args(LabSpec.model_fields["cni"].annotation)
}


@pytest.mark.parametrize("key", ["links", "files", "chains", "sets", "units", "modules", "ports"])
def test_every_network_of_a_spec_has_all_that_removes_it(key):
    assert set(VARS[f"cni_{key}"]) == set(NETWORKS) == set(CATALOGUE["artifacts_cni"])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_option_of_a_spec_is_a_variable_of_the_role_with_the_same_default(name):
    for key, field in NETWORKS[name].model_fields.items():
        if key != "name":
            assert DEFAULTS[f"cni_{name}_{key}"] == field.default


@pytest.mark.parametrize("name", NETWORKS)
def test_the_configuration_goes_last(name):
    assert VARS["cni_files"][name][-1] == VARS["cni_configurations"][name]


def weave(**options):
    """Weave's containers by name, each with its environment."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False
    )
    environment.filters["to_json"] = json.dumps
    text = (ROLE / "templates/weave.yml.j2").read_text()
    api = [{"name": "KUBERNETES_SERVICE_HOST", "value": "10.77.0.10"}]
    values = {
        "cni_api": api,
        **CATALOGUE,
        **DEFAULTS,
        "kubernetes_pod_cidr": "10.32.0.0/16",
        **options,
    }
    objects = list(yaml.safe_load_all(environment.from_string(text).render(values)))
    pod = objects[-1]["spec"]["template"]["spec"]
    containers = pod["initContainers"] + pod["containers"]
    return {c["name"]: {e["name"]: e.get("value", e) for e in c["env"]} for c in containers}


def test_weave_is_told_no_more_than_it_has_to_be():
    found = weave()
    assert found["weave"]["IPALLOC_RANGE"] == "10.32.0.0/16"
    assert found["weave"]["EXPECT_NPC"] == "1"
    everything = {key for environment in found.values() for key in environment}
    assert not everything & {"IPTABLES_BACKEND", "WEAVE_PASSWORD", "WEAVE_MTU"}


def test_the_older_iptables_is_told_to_every_container():
    found = weave(cni_weave_iptables_backend="legacy")
    assert [e["IPTABLES_BACKEND"] for e in found.values()] == ["legacy"] * 3


def test_the_password_is_read_from_the_secret():
    password = weave(cni_weave_encryption=True)["weave"]["WEAVE_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "weave-net", "key": "WEAVE_PASSWORD"}
