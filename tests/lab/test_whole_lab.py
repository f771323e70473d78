"""A whole lab, by the command line only, in the order in which a user lives with it."""

import os
import re
import signal
import time

import pytest

from tests.conftest import node_state


def forget_runs(lab):
    """So that what is waited for cannot be found in the events of an earlier command."""
    for old in lab.dir.glob("run/*.jsonl"):
        old.unlink()


def wait_for(lab, text, seconds=240):
    """Wait until the running command has written ``text`` into its events."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = sorted(lab.dir.glob("run/*.jsonl"))
        if runs and text in runs[-1].read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"no {text!r} within {seconds} s")


def recap(output):
    return dict(re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.M))


class TestLab:
    """One lab, from nothing on; each test goes on from the one before. tests/destroy ends it."""

    @pytest.mark.parametrize(
        ("moment", "number", "code"),
        [
            ("machines", signal.SIGKILL, -9),
            ("docker : Start docker", signal.SIGKILL, -9),
            ("control_plane : Run kubeadm init", signal.SIGKILL, -9),
            ("worker : Replay it on the worker", signal.SIGINT, 130),
        ],
    )
    def test_up_is_stopped_at_a_bad_moment(self, empty_lab, moment, number, code):
        forget_runs(empty_lab)
        process = empty_lab.start("up", "-f", str(empty_lab.spec))
        wait_for(empty_lab, f'"{moment}"')
        time.sleep(0.5)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, out + err
        assert "Traceback" not in err
        if "kubeadm init" in moment:
            empty_lab.prepared = node_state(empty_lab, "worker1")

    def test_the_next_up_goes_on_and_succeeds(self, lab):
        assert lab.json("status", "--name", lab.name)["phase"] == "running"

    def test_verify_finds_it_whole(self, lab):
        found = lab.json("verify", "--name", lab.name)
        assert found["ok"] is True
        assert {check["name"] for check in found["checks"]} == {
            *("nodes-ready", "system-pods", "docker-cgroup-driver", "kubelet-cgroup-driver"),
            *("deployment", "pod-to-pod", "cluster-ip", "node-port", "dns", "network-policy"),
            "self-healing",
        }
        assert "kubelab-verify" not in lab.kubectl("get", "namespaces", "-o", "name")

    def test_status_keeps_its_contract(self, lab):
        status = lab.json("status", "--name", lab.name)
        assert status["kubernetes"] == "v1.20.2"
        assert status["cgroup_driver"] == "systemd"
        assert status["runtime"].startswith("docker://")
        assert status["api"] == "https://10.81.0.10:6443"
        roles = {node["name"]: (node["role"], node["kubelet"]) for node in status["nodes"]}
        assert roles["master"] == ("control-plane", "Ready")
        assert roles["worker2"] == ("worker", "Ready")

    def test_a_second_up_changes_nothing(self, lab):
        assert lab.up()["changed"] == {"master": 0, "worker1": 0, "worker2": 0}

    def test_plain_ansible_changes_nothing_either(self, lab):
        assert set(recap(lab.playbook("site.yml")).values()) == {"0"}

    def test_a_dry_run_changes_nothing(self, lab):
        assert set(recap(lab.playbook("site.yml", "--check")).values()) == {"0"}

    def test_a_second_up_at_the_same_time_is_refused(self, lab):
        forget_runs(lab)
        first = lab.start("up", "-f", str(lab.spec))
        wait_for(lab, "Gathering Facts")
        said = lab.run("up", "-f", str(lab.spec), code=1)
        assert f"process {first.pid}" in said
        assert first.wait(120) == 0

    def test_another_spec_is_refused(self, lab, tmp_path):
        other = tmp_path / "other.yml"
        other.write_text(lab.spec.read_text().replace("10.244.0.0/16", "10.200.0.0/16"))
        assert "networks" in lab.run("up", "-f", str(other), code=2)

    def test_a_half_joined_worker_is_repaired_with_limit(self, lab):
        lab.kubectl("delete", "node", "worker2")
        changed = recap(lab.playbook("join.yml", "--limit", "worker2"))
        assert int(changed["worker2"]) > 0
        assert "worker1" not in changed
        assert "worker2" in lab.kubectl("get", "nodes", "-o", "name")

    def test_a_worker_that_lost_its_files_is_repaired(self, lab):
        lost = ("rm", "/etc/kubernetes/kubelet.conf")
        lab.run("ssh", "--name", lab.name, "worker1", "--", *lost)
        assert lab.up()["changed"]["worker2"] == 0
        assert lab.json("verify", "--name", lab.name)["ok"] is True

    def test_verify_names_the_node_that_is_ill(self, lab):
        lab.run("ssh", "--name", lab.name, "worker1", "--", "systemctl", "stop", "kubelet")
        # The control plane calls a node NotReady when it has been silent for forty seconds.
        lab.kubectl("wait", "--for=condition=Ready=Unknown", "--timeout=90s", "node/worker1")
        found = lab.json("verify", "--name", lab.name, code=4)
        details = {check["name"]: check["detail"] for check in found["checks"] if not check["ok"]}
        assert "worker1: not Ready" in details["nodes-ready"]
        lab.up()

    def test_the_kubeconfig_can_be_merged(self, lab, tmp_path, monkeypatch):
        target = tmp_path / ".kube/config"
        target.parent.mkdir()
        kept = "apiVersion: v1\nkind: Config\nusers: [{name: mine, user: {token: t}}]\n"
        target.write_text(kept)
        monkeypatch.setitem(lab.env, "HOME", str(tmp_path))
        lab.run("kubeconfig", "--merge", "--name", lab.name)
        merged = target.read_text()
        assert "mine" in merged
        assert f"name: {lab.name}" in merged
        assert target.stat().st_mode & 0o077 == 0

    def test_the_logs_tell_where_the_time_went(self, lab):
        assert "Cluster" in lab.run("logs", "--timings", "--name", lab.name)
        events = lab.json("logs", "--name", lab.name)["events"]
        assert {"ts", "phase", "host", "task", "status", "seconds"} <= set(events[0])
