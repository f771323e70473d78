"""Weave's objects on a lab that is up, whose pod network is another one."""

import json
import subprocess

import pytest
import yaml

from provisioner.artifacts.manifest import described
from provisioner.catalog.load import load_catalog

CATALOGUE = load_catalog({})
COMPONENTS = [
    component
    for component in CATALOGUE.components.values()
    if component.kind == "runtime" or component.version in ("1.20.2", "2.8.10")
]
WEAVE = "tests/stories/weave.yml"
pytestmark = [pytest.mark.lab("default"), pytest.mark.extended]


def get(lab, *words):
    return json.loads(lab.kubectl("get", *words, "-o", "json"))


def environment(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@pytest.fixture(scope="module")
def lab(module_lab):
    return module_lab


@pytest.fixture(scope="class")
def weave(lab, tmp_path_factory):
    """Weave's objects, applied on a lab whose network is another one; gone after the test."""
    options = {"cni_weave_encryption": True, "cni_weave_mtu": 1300}
    options |= {"cni_weave_iptables_backend": "legacy", "cni_weave_connections": 50}
    # A set that would have Weave, as far as the roles read of it.
    folder = tmp_path_factory.mktemp("set")
    manifest = {"schema": 1, "components": described(CATALOGUE, COMPONENTS)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    options["artifacts_dir"] = str(folder)
    lab.options = json.dumps(options)
    lab.said = lab.playbook(f"../{WEAVE}", "-v", "-e", lab.options)
    yield get(lab, "-n", "kube-system", "daemonset", "weave-net")
    for kind in ("daemonset", "secret", "serviceaccount", "role", "rolebinding"):
        lab.kubectl("-n", "kube-system", "delete", kind, "weave-net")
    for kind in ("clusterrole", "clusterrolebinding"):
        lab.kubectl("delete", kind, "weave-net")


class TestWeave:
    """Its images are not here: what can be seen is all that it asks of the cluster."""

    def test_the_api_server_takes_every_object(self, lab, weave):
        dry = [line for line in lab.said.splitlines() if "daemonset.apps/weave-net" in line]
        assert dry
        assert weave["status"]["desiredNumberScheduled"] == 3

    def test_it_asks_for_the_images_of_the_catalogue_and_no_other(self, lab, weave):
        images = CATALOGUE.components["artifacts_cni_weave"].images
        wanted = {CATALOGUE.reference(name, image) for name, image in images.items()}
        pods = get(lab, "-n", "kube-system", "pods", "-l", "app=weave-net")["items"]
        assert {pod["spec"]["nodeName"] for pod in pods} == {"master", "worker1", "worker2"}
        for pod in pods:
            containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
            assert {c["image"] for c in containers} == wanted
            assert all(c["imagePullPolicy"] == "IfNotPresent" for c in containers)

    def test_its_parameters_are_those_of_the_lab(self, lab, weave):
        pod = weave["spec"]["template"]["spec"]
        by_name = {c["name"]: environment(c) for c in pod["initContainers"] + pod["containers"]}
        spec = yaml.safe_load(lab.spec.read_text())
        assert by_name["weave"]["IPALLOC_RANGE"] == spec["networks"]["pod"]
        assert by_name["weave"]["WEAVE_MTU"] == "1300"
        assert by_name["weave"]["CONN_LIMIT"] == "50"
        assert by_name["weave"]["EXPECT_NPC"] == "1"
        assert {env["IPTABLES_BACKEND"] for env in by_name.values()} == {"legacy"}
        assert pod["hostNetwork"] is True

    def test_the_password_is_in_the_secret_and_nowhere_else(self, lab, weave):
        secret = get(lab, "-n", "kube-system", "secret", "weave-net")["data"]["WEAVE_PASSWORD"]
        decoded = subprocess.run(
            ["base64", "-d"], input=secret, capture_output=True, text=True, check=True
        ).stdout
        assert len(decoded) == 40
        assert decoded not in lab.said
        assert secret not in lab.said
        assert decoded not in json.dumps(weave)
        found = subprocess.run(
            ["grep", "-rlF", decoded, str(lab.dir / "inventory.yml")], check=False
        )
        assert found.returncode == 1

    def test_a_second_run_changes_nothing_and_keeps_the_password(self, lab, weave):
        secret = get(lab, "-n", "kube-system", "secret", "weave-net")["data"]
        assert "changed=0" in lab.playbook(f"../{WEAVE}", "-e", lab.options)
        assert get(lab, "-n", "kube-system", "secret", "weave-net")["data"] == secret

    def test_a_weak_password_is_refused(self, lab, weave, tmp_path):
        file = tmp_path / "password"
        file.write_text("password")
        options = json.loads(lab.options) | {"cni_weave_password_file": str(file)}
        said = lab.playbook(f"../{WEAVE}", "-e", json.dumps(options), code=2)
        assert "too weak a password" in said


def test_the_network_that_runs_was_left_alone(lab):
    status = get(lab, "-n", "kube-system", "daemonset", "flannel")["status"]
    assert status["numberReady"] == 3
    assert "weave" not in lab.ssh("worker1", "ls /etc/cni/net.d /opt/cni/bin")
