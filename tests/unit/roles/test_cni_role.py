"""What the role cni knows of each pod network, and Weave's objects as its options have them."""

import os
import subprocess
from typing import get_args

import pytest
import yaml

from provisioner.shell import tail
from provisioner.spec import LabSpec
from tests.unit.roles.manifests import ROLES, images, manifest, read, render, templar

ROLE = ROLES / "cni"
DEFAULTS = read(ROLE / "defaults/main.yml")
DESCRIBED = {
    name.removeprefix("cni_network_"): value
    for path in (ROLE / "vars/main").glob("*.yml")
    if path.stem != "main"
    for name, value in read(path).items()
    if name.startswith("cni_network_")
}
BRIDGE = {"cni_ranges": {"master": "10.244.0.0/24"}}
NETWORKS = {
    member.model_fields["name"].annotation.__args__[0]: member
    for member in get_args(LabSpec.model_fields["cni"].annotation)
}
WEAVE = {
    "kind": "cni",
    "name": "weave",
    "version": "2.8.10",
    "settings": {"cni_versions": ["0.3.0"]},
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


def weave_pod(version="1.20.2", **options):
    """The pod of Weave's DaemonSet."""
    found = manifest(version)
    found["components"][2] = WEAVE
    options = {"kubernetes_pod_cidr": "10.32.0.0/16", **options}
    text = render("cni", "weave.yml.j2", common_manifest=found, **options)
    return list(yaml.safe_load_all(text))[-1]["spec"]["template"]["spec"]


def weave(**options):
    """Weave's containers by name, each with its environment."""
    pod = weave_pod(**options)
    containers = pod["initContainers"] + pod["containers"]
    assert {c["image"].rpartition(":")[0] for c in containers} == {
        "rajchaudhuri/weave-kube",
        "rajchaudhuri/weave-npc",
    }
    return {c["name"]: {e["name"]: e.get("value", e) for e in c.get("env", [])} for c in containers}


def test_weave_gets_no_option_that_it_does_not_need():
    found = weave()
    assert found["weave"]["IPALLOC_RANGE"] == "10.32.0.0/16"
    assert found["weave"]["EXPECT_NPC"] == "1"
    everything = {key for environment in found.values() for key in environment}
    assert not everything & {"IPTABLES_BACKEND", "WEAVE_PASSWORD"}


def empty_values(place):
    """Keys of an object whose values are empty lists or maps: the API server leaves them out."""
    members = place.items() if isinstance(place, dict) else enumerate(place)
    for key, value in members:
        if isinstance(value, dict | list):
            yield from [key] if not value else empty_values(value)


@pytest.mark.parametrize("template", ["flannel.yml.j2", "weave.yml.j2"])
def test_objects_with_default_options_have_no_empty_value(template):
    objects = yaml.safe_load_all(render("cni", template, common_manifest=manifest()))
    assert [key for item in objects for key in empty_values(item)] == []


@pytest.mark.parametrize(("option", "mtu"), [(0, "1376"), (1300, "1300")])
def test_the_mtu_is_set_whatever_the_datapath(option, mtu):
    assert weave(cni_weave_mtu=option)["weave"]["WEAVE_MTU"] == mtu


def started(tmp_path, **there):
    """What Weave's own programs see of a node with these paths, by the scripts of its pod."""
    release = os.uname().release
    for path, text in there.items():
        file = tmp_path / path.replace("RELEASE", release)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    home = tmp_path / "home/weave"
    home.mkdir(parents=True, exist_ok=True)
    (home / "init.sh").write_text("")
    (home / "launch.sh").write_text('echo "fastdp ${WEAVE_NO_FASTDP:-yes}"')
    pod = weave_pod()
    script = next(c for c in pod["containers"] if c["name"] == "weave")["command"][-1]
    for place in ("/sys/", "/lib/modules", "/home/weave"):
        script = script.replace(place, f"{tmp_path}{place}")
    return subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout


SYS, DEP = "sys/class/net/weave/mtu", "lib/modules/RELEASE/modules.dep"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, "no openvswitch"),
        ({DEP: "kernel/net/bridge/bridge.ko:"}, "no openvswitch"),
        ({DEP: "kernel/net/openvswitch/openvswitch.ko.xz:"}, "fastdp yes"),
        ({"sys/module/openvswitch/x": ""}, "fastdp yes"),
        # The container starts again: a bridge stays what it is.
        ({SYS: "", DEP: "kernel/net/openvswitch/openvswitch.ko:"}, "was made without it"),
        ({SYS: "", "sys/class/net/datapath/mtu": ""}, "fastdp yes"),
    ],
)
def test_the_fast_datapath_is_for_nodes_that_have_it(tmp_path, there, said):
    found = started(tmp_path, **there)
    assert said in found
    assert ("fastdp 1" in found) is (said != "fastdp yes")


@pytest.mark.parametrize(("version", "cni"), [("1.20.2", "0.3.0"), ("1.31.14", "0.3.0")])
def test_weave_gets_a_configuration_that_kubelet_reads(tmp_path, version, cni):
    conflist = tmp_path / "host/etc/cni/net.d/10-weave.conflist"
    conflist.parent.mkdir(parents=True)
    script = weave_pod(version)["initContainers"][0]["command"][-1]
    conflist.write_text('{\n    "cniVersion": "1.0.0",\n    "name": "weave"\n}\n')
    script = script.replace("/bin/sh /home/weave/init.sh", "true").replace(
        "/host", f"{tmp_path}/host"
    )
    subprocess.run(["sh", "-ec", script], check=True)
    assert yaml.safe_load(conflist.read_text()) == {"cniVersion": cni, "name": "weave"}


@pytest.mark.parametrize(
    ("version", "spoken", "cni"),
    [
        ("1.20.2", ["0.3.1", "0.4.0", "1.0.0"], "0.4.0"),
        ("1.31.4", ["0.3.1", "0.4.0", "1.0.0"], "1.0.0"),
        ("1.31.4", ["0.3.1", "0.4.0"], "0.4.0"),
        ("1.20.2", ["1.0.0"], ""),
    ],
)
def test_the_version_of_cni_is_the_newest_that_both_sides_know(version, spoken, cni):
    found = manifest(version)
    found["components"][2]["settings"] = {"cni_versions": spoken}
    assert templar("cni", common_manifest=found).template("{{ cni_version }}") == cni
    if cni:
        text = render("cni", "10-bridge.conflist.j2", common_manifest=found, **BRIDGE)
        assert yaml.safe_load(text)["cniVersion"] == cni
        assert f'"cniVersion": "{cni}"' in render("cni", "flannel.yml.j2", common_manifest=found)


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


def test_the_cause_comes_first_and_each_finding_has_a_line_of_its_own():
    task = read(ROLE / "tasks/explain.yml")[-1]
    checked = [{"item": "master", "stdout_lines": ["the kernel has no module vxlan"]}]
    waited = {"seconds": 76, "nodes": ["master"], "reasons": ["pod flannel-x on master: FATA: no."]}
    given = {
        **task["vars"],
        "ansible_play_hosts": ["master"],
        "cni_waited": waited,
        "cni_checked": {"results": [*checked, {"item": "worker1", "unreachable": True}]},
        "runtime_causes": ["master: kubelet.service is failed: F1127 no swap"],
        "runtime_missing_images": ["master has no image kubelab.local/flannel:1"],
    }
    lines = templar("cni", **given).template(task["ansible.builtin.fail"]["msg"]).splitlines()
    assert lines[:5] == [
        "The pod network flannel is not ready on master after 76 s.",
        "pod flannel-x on master: FATA: no.",
        "master: kubelet.service is failed: F1127 no swap.",
        "master has no image kubelab.local/flannel:1.",
        "master: the kernel has no module vxlan.",
    ]
    assert "journalctl -u kubelet" in lines[5]
    # An error keeps the last lines of what Ansible says.
    given["runtime_missing_images"] = [f"worker{n} has no image x" for n in range(250)]
    many = templar("cni", **given).template(task["ansible.builtin.fail"]["msg"])
    assert tail(many).splitlines()[:2] == lines[:2]
