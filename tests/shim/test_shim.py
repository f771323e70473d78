"""Kubernetes that speaks to docker through cri-dockerd: a lab of its own, from nothing to nothing.

The shorter story of tests/lab, tests/node and tests/power: what differs by the version is in it.
"""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import HOME, PROJECT, Lab, changes_since, host_state, node_state, remove
from tests.lab.test_whole_lab import forget_runs, recap, wait_for
from tests.node.test_worker import MARK, nodes

WORKER = "worker1"
SOCKET = "unix:///var/run/cri-dockerd.sock"


@pytest.fixture(scope="module")
def shim() -> Iterator[Lab]:
    """The profile with one worker, in a network of its own."""
    lab = Lab("shim")
    remove(lab)
    lab.before = host_state()
    text = (PROJECT / "profiles/embedded-1.31.yml").read_text().replace("10.73.0.", "10.85.0.")
    spec = yaml.safe_load(text)
    spec |= {"name": lab.name, "nodes": spec["nodes"][:2]}
    HOME.mkdir(parents=True, exist_ok=True)
    lab.spec.write_text(yaml.safe_dump(spec))
    yield lab
    remove(lab)


class TestShim:
    """Each test goes on from the one before."""

    def test_an_up_that_was_killed_in_init_goes_on(self, shim):
        process = shim.start("up", "-f", str(shim.spec))
        wait_for(shim, '"control_plane : Run kubeadm init"', seconds=600)
        # Half of init: certificates and manifests are written, and no pod runs yet.
        manifest = "/etc/kubernetes/manifests/etcd.yaml"
        shim.ssh("master", f"timeout 300 sh -c 'until test -e {manifest}; do sleep 0.1; done'")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        shim.prepared = node_state(shim, WORKER)
        assert shim.up()["changed"][WORKER] > 0

    def test_it_is_the_version_and_the_way_to_docker_that_were_asked_for(self, shim):
        found = nodes(shim)
        assert set(found) == {"master", WORKER}
        for node in found.values():
            told = node["status"]["nodeInfo"]
            assert told["kubeletVersion"] == told["kubeProxyVersion"] == "v1.31.4"
            assert told["containerRuntimeVersion"].startswith("docker://")
            assert node["metadata"]["annotations"][MARK] == SOCKET
        assert "node-role.kubernetes.io/control-plane" in found["master"]["metadata"]["labels"]
        pause = shim.ssh(WORKER, "docker ps --filter name=k8s_POD --format '{{.Image}}'").split()
        assert set(pause) == {"kubelab.local/pause:3.10"}

    def test_verify_finds_it_whole(self, shim):
        assert shim.json("verify", "--name", shim.name)["ok"] is True

    def test_a_second_up_changes_nothing(self, shim):
        assert shim.up()["changed"] == {"master": 0, WORKER: 0}
        assert set(recap(shim.playbook("site.yml", "--check")).values()) == {"0"}

    def test_a_reset_leaves_what_was_there_before_the_join(self, shim):
        shim.run("node", "reset", WORKER, "--name", shim.name)
        assert set(nodes(shim)) == {"master"}
        after = node_state(shim, WORKER)
        for kind, before in shim.prepared.items():
            assert after[kind] - before == set(), kind
            assert before - after[kind] == set(), kind

    def test_plain_ansible_joins_it_again(self, shim):
        forget_runs(shim)
        assert int(recap(shim.playbook("join.yml", "--limit", WORKER))[WORKER]) > 0
        assert nodes(shim)[WORKER]["metadata"]["annotations"][MARK] == SOCKET

    def test_stopped_and_started_it_works_without_help(self, shim):
        shim.run("stop", "--name", shim.name)
        shim.run("start", "--name", shim.name)
        assert shim.json("verify", "--name", shim.name)["ok"] is True

    def test_nothing_is_left_of_it(self, shim):
        shim.run("destroy", "--yes", "--name", shim.name)
        assert not shim.dir.exists()
        # The kernel takes links away a moment after the machine that had them.
        deadline = time.monotonic() + 30
        while changes_since(shim.before) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not changes_since(shim.before)
