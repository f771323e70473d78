"""What is more than commands one after another: two at once, a machine that dies, a user's file."""

import psutil
import pytest

pytestmark = pytest.mark.lab("default")
WORKER = "worker1"


@pytest.mark.extended
def test_a_second_up_at_the_same_time_is_refused(lab):
    # Without it the roles look at everything, and the first one has something to do for a while.
    (lab.dir / "fingerprint.json").unlink()
    first = lab.started_until("facts", "up", "-f", str(lab.spec))
    said = lab.run("up", "-f", str(lab.spec), code=1)
    assert f"process {first.process.pid}" in said
    assert first.process.poll() is None, "the first one had ended before the second one was refused"
    out, err = first.process.communicate(timeout=240)
    assert first.process.returncode == 0, out + err


def test_the_kubeconfig_can_be_merged(lab, tmp_path, monkeypatch):
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


def machine_of(lab, node):
    """The systemd-nspawn of a node's machine."""
    return next(
        process
        for process in psutil.process_iter(["cmdline"])
        if "systemd-nspawn" in (process.info["cmdline"] or [""])[0]
        and any(f"{lab.name}/machines/{node}" in x for x in process.info["cmdline"])
    )


@pytest.mark.extended
def test_a_machine_that_does_not_answer_is_named_and_mended_by_the_next_up(lab):
    machine = machine_of(lab, WORKER)
    # Its process 1: without systemd-nspawn itself a machine would go on.
    machine.children()[0].kill()
    machine.wait(30)
    answer = lab.json("node", "reset", WORKER, "--name", lab.name)
    assert "does not answer SSH" in answer["left"][WORKER]
    assert f"node/{WORKER}" not in lab.kubectl("get", "nodes", "-o", "name")
    assert lab.up()["changed"][WORKER] > 0
    assert "cri-socket" in lab.kubectl("get", "node", WORKER, "-o", "yaml")
    assert lab.json("verify", "--name", lab.name)["ok"] is True
