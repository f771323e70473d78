"""What the role cni knows of each pod network, and Weave's objects as its options have them."""

from typing import get_args

import pytest
import yaml

from provisioner.spec import LabSpec
from tests.unit.roles.manifests import ROLES, images, manifest, read, render, templar

ROLE = ROLES / "cni"
DEFAULTS = read(ROLE / "defaults/main.yml")
DESCRIBED = {
    name.removeprefix("cni_network_"): value
    for path in (ROLE / "vars/main").glob("*.yml")
    if path.stem != "main"
    for name, value in read(path).items()
}
NETWORKS = {
    member.model_fields["name"].annotation.__args__[0]: member
    for member in get_args(LabSpec.model_fields["cni"].annotation)
}
WEAVE = {
    "kind": "cni",
    "name": "weave",
    "version": "2.8.10",
    "images": images("rajchaudhuri", weave_kube="2.8.10", weave_npc="2.8.10"),
}


def test_every_network_of_a_spec_is_described():
    assert set(DESCRIBED) == set(NETWORKS)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_network_has_all_that_the_tasks_read(name):
    keys = set(DESCRIBED["flannel"])
    assert set(DESCRIBED[name]) == keys
    described = (ROLE / "vars/main/main.yml").read_text().partition("cni_network:")[0]
    for key in keys:
        assert key in described, key


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_files_that_a_network_names_are_there(name):
    network = DESCRIBED[name]
    if network["template"]:
        assert (ROLE / "templates" / network["template"]).is_file()
    asked = templar("cni", cni_weave_encryption=True, cni_name=name)
    for task in asked.template("{{ cni_network.before_apply + cni_network.on_node }}"):
        assert (ROLE / f"tasks/{task}.yml").is_file()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_option_of_a_spec_is_a_variable_of_the_role_with_the_same_default(name):
    for key, field in NETWORKS[name].model_fields.items():
        if key != "name":
            assert DEFAULTS[f"cni_{name}_{key}"] == field.default


def test_networks_that_the_set_lacks_are_known_too():
    asked = templar("cni")
    assert asked.template("{{ cni_name }}") == "flannel"
    assert set(asked.template("{{ cni_networks }}")) == set(DESCRIBED)
    assert len(asked.template("{{ cni_configurations }}")) == len(DESCRIBED)


@pytest.mark.parametrize("template", ["flannel.yml.j2", "weave.yml.j2"])
def test_objects_can_be_deleted_with_a_set_that_lacks_their_images(template):
    found = manifest()
    found["components"] = [c for c in found["components"] if c["kind"] != "cni"]
    assert list(
        yaml.safe_load_all(render("cni", template, common_manifest=found, cni_name="bridge"))
    )


def weave(**options):
    """Weave's containers by name, each with its environment."""
    found = manifest()
    found["components"][2] = WEAVE
    options = {"kubernetes_pod_cidr": "10.32.0.0/16", **options}
    text = render("cni", "weave.yml.j2", common_manifest=found, **options)
    pod = list(yaml.safe_load_all(text))[-1]["spec"]["template"]["spec"]
    containers = pod["initContainers"] + pod["containers"]
    assert {c["image"].rpartition(":")[0] for c in containers} == {
        "rajchaudhuri/weave-kube",
        "rajchaudhuri/weave-npc",
    }
    return {c["name"]: {e["name"]: e.get("value", e) for e in c["env"]} for c in containers}


def test_weave_gets_no_option_that_it_does_not_need():
    found = weave()
    assert found["weave"]["IPALLOC_RANGE"] == "10.32.0.0/16"
    assert found["weave"]["EXPECT_NPC"] == "1"
    everything = {key for environment in found.values() for key in environment}
    assert not everything & {"IPTABLES_BACKEND", "WEAVE_PASSWORD", "WEAVE_MTU"}


def test_daemons_reach_the_api_by_its_endpoint():
    found = weave(api_endpoint="lb.example:8443")["weave"]
    assert found["KUBERNETES_SERVICE_HOST"] == "lb.example"
    assert found["KUBERNETES_SERVICE_PORT"] == "8443"


def test_every_container_gets_the_older_iptables():
    found = weave(cni_weave_iptables_backend="legacy")
    assert [e["IPTABLES_BACKEND"] for e in found.values()] == ["legacy"] * 3


def test_the_password_is_read_from_the_secret():
    password = weave(cni_weave_encryption=True)["weave"]["WEAVE_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "weave-net", "key": "WEAVE_PASSWORD"}
