"""Pod networks on a lab that is up: Weave's objects, one network after another, and who is late."""

import json
import os
import signal
import subprocess

import pytest
import yaml

from tests.conftest import NETWORK, PROJECT
from tests.lab.test_whole_lab import forget_runs, wait_for

CATALOGUE = yaml.safe_load((PROJECT / "roles/artifacts/defaults/main/catalog.yml").read_text())
WEAVE = "tests/network/weave.yml"


def get(lab, *words):
    return json.loads(lab.kubectl("get", *words, "-o", "json"))


def environment(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@pytest.fixture(scope="class")
def weave(lab):
    """Weave's objects, applied on a lab whose network is another one; gone after the test."""
    options = {"cni_weave_encryption": True, "cni_weave_mtu": 1300}
    options |= {"cni_weave_iptables_backend": "legacy", "cni_weave_connections": 50}
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
        images = CATALOGUE["artifacts_cni"]["weave"]["images"].values()
        wanted = {f"{image['repository']}:{image['tag']}" for image in images}
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
        options = {"cni_weave_encryption": True, "cni_weave_password_file": str(file)}
        said = lab.playbook(f"../{WEAVE}", "-e", json.dumps(options), code=2)
        assert "too weak a password" in said


def test_the_network_that_runs_was_left_alone(lab):
    status = get(lab, "-n", "kube-system", "daemonset", "flannel")["status"]
    assert status["numberReady"] == 3
    assert "weave" not in lab.ssh("worker1", "ls /etc/cni/net.d /opt/cni/bin")


def test_a_node_whose_image_is_missing_is_named(lab):
    """The tests after it take this network off, and bring its image back with it."""
    image = "$(docker images --format '{{.Repository}}:{{.Tag}}' | grep flannel)"
    running = "$(docker ps -q --filter name=flannel)"
    lab.ssh("worker2", f"docker rm -f {running} && docker rmi -f {image}")
    here = ("-l", "app=flannel", "--field-selector", "spec.nodeName=worker2")
    lab.kubectl("-n", "kube-system", "delete", "pod", *here)
    said = lab.playbook("join.yml", "-e", "cni_ready_timeout=15", code=2)
    assert "not ready after 15 s on worker2" in said
    assert "kubelab.local/flannel" in said


class TestChange:
    """From flannel to bridge and back; each test goes on from the one before."""

    @pytest.fixture
    def bridge(self, lab):
        file = lab.home / "bridge.yml"
        text = lab.spec.read_text().replace("cni: {name: flannel}", "cni: {name: bridge}")
        file.write_text(text)
        return str(file)

    def test_a_change_is_refused_with_the_reason_and_the_way(self, lab, bridge):
        said = lab.run("up", "-f", bridge, code=2)
        assert "cut" in said
        assert "--recreate-network" in said

    def test_plain_ansible_refuses_it_too(self, lab):
        said = lab.playbook("site.yml", "--limit", "control_plane", "-e", "cni_name=bridge", code=2)
        assert "10-flannel.conflist" in said
        assert "playbooks/retire.yml" in said

    @pytest.mark.parametrize(
        "moment",
        ["cni : Remove the links of the pod network", "cni : Remove the files of the pod network"],
    )
    def test_a_change_is_killed_half_way(self, lab, bridge, moment):
        forget_runs(lab)
        process = lab.start("up", "-f", bridge, "--recreate-network")
        wait_for(lab, f'"{moment}"')
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)

    def test_the_next_change_goes_on_until_the_cluster_is_whole(self, lab, bridge):
        lab.json("up", "-f", bridge, "--recreate-network")
        assert lab.json("verify", "--name", lab.name)["ok"]
        for node in ("master", "worker1", "worker2"):
            left = lab.ssh(
                node, "ls /etc/cni/net.d; ls -d /run/flannel /sys/class/net/flannel.1; true"
            )
            assert left.split() == ["10-bridge.conflist"]
            assert lab.ssh(node, "ip route").count(f"via {NETWORK}1") >= 2

    def test_a_second_up_changes_nothing(self, lab, bridge):
        changed = lab.json("up", "-f", bridge)["changed"]
        assert set(changed.values()) == {0}

    def test_it_goes_back(self, lab):
        lab.json("up", "-f", str(lab.spec), "--recreate-network")
        checks = {c["name"]: c for c in lab.json("verify", "--name", lab.name)["checks"]}
        assert all(check["ok"] for check in checks.values())
        assert checks["network-policy"]["detail"] == "not enforced: flannel has no NetworkPolicy"
        routes = lab.ssh("worker1", "ip route; ls /etc/systemd/system")
        assert "kubelab-pod-routes" not in routes
