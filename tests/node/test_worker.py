"""A worker's way out of a cluster and back, by the command and by plain Ansible."""

import json
import os
import signal
import subprocess
import time

import psutil
import pytest

from tests.conftest import node_state
from tests.lab.test_whole_lab import forget_runs, recap, wait_for

WORKER = "worker1"
MARK = "kubeadm.alpha.kubernetes.io/cri-socket"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "lone"},
    "spec": {
        "nodeName": WORKER,
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {"name": "lone", "image": "kubelab.local/toolbox:1", "command": ["sleep", "9999"]}
        ],
    },
}


def nodes(lab):
    found = json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    return {node["metadata"]["name"]: node for node in found}


def node(lab, *words, code=0):
    return lab.run("node", *words, "--name", lab.name, code=code)


def changed(lab, *words):
    return lab.json("node", *words, "--name", lab.name)["changed"]


class TestWorker:
    """Each test goes on from the one before."""

    def test_what_cannot_be_meant_is_refused(self, lab):
        assert "worker1, worker2" in node(lab, "drain", "worker9", code=2)
        assert "--lose-cluster" in node(lab, "reset", "master", code=2)
        assert "kubelab up" in node(lab, "rejoin", "master", code=2)
        assert set(nodes(lab)) == {"master", "worker1", "worker2"}

    def test_a_pod_that_would_be_lost_is_named_and_nothing_changed(self, lab):
        applied = subprocess.run(
            [*lab.words("kubectl", "--name", lab.name, "--"), "apply", "-f", "-"],
            input=json.dumps(POD),
            env=lab.env,
            capture_output=True,
            text=True,
        )
        assert applied.returncode == 0, applied.stderr
        said = node(lab, "drain", WORKER, code=1)
        assert "default/lone" in said
        assert "--force" in said
        assert "unschedulable" not in nodes(lab)[WORKER]["spec"]

    def test_pods_move_away_and_may_come_back(self, lab):
        node(lab, "drain", WORKER, "--force")
        assert nodes(lab)[WORKER]["spec"]["unschedulable"] is True
        left = lab.kubectl(
            *("get", "pods", "-A", "-o", "json", "--field-selector", f"spec.nodeName={WORKER}")
        )
        owners = [pod["metadata"]["ownerReferences"][0] for pod in json.loads(left)["items"]]
        assert {owner["kind"] for owner in owners} == {"DaemonSet"}
        assert changed(lab, "drain", WORKER) == {WORKER: 0}
        node(lab, "uncordon", WORKER)
        assert "unschedulable" not in nodes(lab)[WORKER]["spec"]

    def test_a_reset_leaves_what_was_there_before_the_join(self, lab):
        rule = "INPUT -p tcp --dport 4444 -m comment --comment KUBE-LIKE -j ACCEPT"
        lab.ssh(WORKER, f"iptables -A {rule}")
        own = lab.ssh(
            WORKER, "docker run -d --name mine --network none kubelab.local/toolbox:1 sleep 9999"
        )
        node(lab, "reset", WORKER)
        assert set(nodes(lab)) == {"master", "worker2"}
        assert "4444" in lab.ssh(WORKER, "iptables-save")
        assert lab.ssh(WORKER, "docker ps -q --no-trunc").split() == own.split()
        lab.ssh(WORKER, f"iptables -D {rule}; docker rm -f mine")
        after = node_state(lab, WORKER)
        assert lab.prepared, "tests/lab has to come before"
        for kind, before in lab.prepared.items():
            assert after[kind] - before == set(), kind
            assert before - after[kind] == set(), kind

    def test_a_second_reset_changes_nothing(self, lab):
        assert changed(lab, "reset", WORKER) == {WORKER: 0}

    def test_status_says_that_it_is_out(self, lab):
        rows = {row["name"]: row for row in lab.status()["nodes"]}
        assert rows[WORKER]["machine"] == "running"
        assert rows[WORKER]["kubelet"] != "Ready"
        assert rows["worker2"]["kubelet"] == "Ready"

    def test_it_comes_back_and_a_second_rejoin_changes_nothing(self, lab):
        node(lab, "rejoin", WORKER)
        assert MARK in nodes(lab)[WORKER]["metadata"]["annotations"]
        assert changed(lab, "rejoin", WORKER) == {WORKER: 0}

    def test_another_node_object_is_found_and_mended(self, lab):
        lab.kubectl("delete", "node", WORKER)
        lab.ssh(WORKER, "systemctl restart kubelet")
        deadline = time.monotonic() + 60
        while WORKER not in nodes(lab):
            assert time.monotonic() < deadline
            time.sleep(1)
        assert MARK not in nodes(lab)[WORKER]["metadata"]["annotations"]
        node(lab, "rejoin", WORKER)
        assert MARK in nodes(lab)[WORKER]["metadata"]["annotations"]

    @pytest.mark.parametrize(
        ("words", "moment"),
        [
            ("reset", "reset : Run kubeadm reset"),
            ("reset", "cni : Remove the files of the pod network"),
            ("rejoin", "worker : Replay it on the worker"),
        ],
    )
    def test_killed_in_the_middle_the_next_goes_on(self, lab, words, moment):
        forget_runs(lab)
        process = lab.start("node", words, WORKER, "--name", lab.name)
        wait_for(lab, f'"{moment}"', seconds=120)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        node(lab, words, WORKER)
        assert (WORKER in nodes(lab)) == (words == "rejoin")

    def test_plain_ansible_does_the_same(self, lab):
        assert int(recap(lab.playbook("reset.yml", "--limit", WORKER))[WORKER]) > 0
        assert WORKER not in nodes(lab)
        done = recap(lab.playbook("join.yml", "--limit", WORKER))
        assert set(done) == {WORKER}
        assert WORKER in nodes(lab)

    def test_a_machine_that_does_not_answer_is_named_and_mended_by_the_next_up(self, lab):
        machine = next(
            process
            for process in psutil.process_iter(["cmdline"])
            if "systemd-nspawn" in (process.info["cmdline"] or [""])[0]
            and any(f"{lab.name}/machines/{WORKER}" in x for x in process.info["cmdline"])
        )
        # Its process 1: without systemd-nspawn itself a machine would go on.
        machine.children()[0].kill()
        machine.wait(30)
        answer = lab.json("node", "reset", WORKER, "--name", lab.name)
        assert "does not answer SSH" in answer["left"][WORKER]
        assert WORKER not in nodes(lab)
        assert lab.up()["changed"][WORKER] > 0
        assert MARK in nodes(lab)[WORKER]["metadata"]["annotations"]
        assert lab.json("verify", "--name", lab.name)["ok"] is True
