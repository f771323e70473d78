import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml

from provisioner.errors import Interrupted, LabError
from provisioner.lab import PROJECT
from provisioner.playbooks import _Run, environment, run_playbook


@pytest.fixture
def run():
    events = []
    run = _Run("cluster", events.append)
    run.events = events
    return run


def event(kind, **data):
    return {"event": kind, "event_data": data}


def test_a_task_that_changed_something_says_so(run):
    run.handle(
        event("runner_on_ok", host="a", task="T", role="r", duration=1.5, res={"changed": 1})
    )
    (found,) = run.events
    assert (found.status, found.host, found.task, found.seconds) == ("changed", "a", "r : T", 1.5)


def test_a_failure_names_host_task_and_reason(run):
    result = {"msg": "non-zero return code", "stdout": "a", "stderr": "the reason"}
    run.handle(event("runner_on_failed", host="a", task="T", role="r", res=result))
    error = run.error("failed")
    assert isinstance(error, LabError)
    assert error.brief == "a: r : T: failed"
    assert error.details.endswith("the reason")
    assert error.hint


def test_a_failure_in_a_loop_names_the_item_with_what_its_command_said(run):
    items = [
        {"item": "certs all", "rc": 0},
        {"item": "etcd local", "failed": True, "msg": "non-zero return code", "stderr": "no disk"},
    ]
    run.handle(event("runner_on_failed", host="a", task="T", res={"results": items}))
    details = run.error("failed").details
    assert "etcd local: non-zero return code" in details
    assert details.endswith("no disk")


def test_a_secret_is_not_repeated(run):
    run.handle(event("runner_on_failed", host="a", task="T", res={"censored": "x", "stderr": "s"}))
    assert "secret" in run.error("failed").details
    assert "handles" in run.error("failed").details


def test_a_failure_on_several_hosts_names_them_all(run):
    for host in ("a", "b"):
        run.handle(event("runner_on_failed", host=host, task="T", res={"msg": "no"}))
    assert "also on b" in run.error("failed").details


def test_an_ignored_failure_is_none(run):
    run.handle(event("runner_on_failed", host="a", task="T", ignore_errors=True, res={}))
    assert run.events[0].status == "ok"
    assert not run.failures


def test_a_cancelled_run_can_be_gone_on_with(run):
    assert isinstance(run.error("canceled"), Interrupted)


def test_the_recap_counts_what_changed(run):
    run.handle(event("playbook_on_stats", ok={"a": 3, "b": 2}, changed={"a": 2}))
    assert run.recap.hosts["b"]["changed"] == 0
    assert run.recap.changed == 2


def test_what_ansible_said_is_kept_where_no_task_failed(run):
    run.handle({"event": "error", "stdout": "ERROR! no such playbook"})
    assert "no such playbook" in run.error("failed").details


def test_what_a_task_hands_out_is_in_the_recap(run):
    stats = {"ok": {"a": 1}, "changed": {"a": 1}, "artifact_data": {"left_alone": {"a": "why"}}}
    run.handle({"event": "playbook_on_stats", "event_data": stats})
    assert run.recap.stats == {"left_alone": {"a": "why"}}
    assert run.recap.changed == 1


def test_errors_quote_ansible_without_colours(tmp_path):
    (tmp_path / "play.yml").write_text("- hosts: all\n  roles: [nowhere]\n")
    for name, text in {"hosts": "a\n", "ansible.cfg": "[defaults]\n"}.items():
        (tmp_path / name).write_text(text)
    play, inventory, config = (tmp_path / name for name in ("play.yml", "hosts", "ansible.cfg"))
    with pytest.raises(LabError, match="nowhere") as failed:
        run_playbook(play, inventory, phase="x", listen=print, config=config)
    assert "\x1b" not in str(failed.value)


WAITS = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.command: touch {began}
    - ansible.builtin.wait_for: {{timeout: 300}}
"""
RUN = """
from pathlib import Path
from provisioner.lab import PROJECT
from provisioner.playbooks import run_playbook
here = Path({here!r})
play, hosts, config = (here / name for name in ("play.yml", "hosts", "ansible.cfg"))
run_playbook(play, hosts, phase="x", listen=print, config=config)
"""


def ansible_at_work(folder):
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
        and any("ansible-playbook" in word for word in process.info["cmdline"] or ())
    ]


def test_ansible_ends_with_the_run_that_was_killed(tmp_path):
    began = tmp_path / "began"
    (tmp_path / "play.yml").write_text(WAITS.format(began=began))
    (tmp_path / "hosts").write_text(f"localhost ansible_python_interpreter={sys.executable}\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    argv = [sys.executable, "-c", RUN.format(here=str(tmp_path))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 120
        while not began.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert ansible_at_work(tmp_path), process.stdout.read() if process.poll() else began
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while ansible_at_work(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ansible_at_work(tmp_path) == []


# Who runs the module that asks: the Python that serves the whole run, by the name it gives itself.
WHO = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.shell: tr '\\\\0' ' ' < /proc/$PPID/cmdline
      register: parent
    - ansible.builtin.assert: {that: "'mitogen:' in parent.stdout"}
"""


@pytest.fixture(params=["as Ansible is set", "as prepare.yml says"])
def who(request):
    (play,) = yaml.safe_load(WHO)
    if request.param == "as prepare.yml says":
        plays = yaml.safe_load((PROJECT / "playbooks/prepare.yml").read_text())
        (play["strategy"],) = {one["strategy"] for one in plays if "strategy" in one}
    return yaml.safe_dump([play])


def test_one_python_serves_the_whole_run(who, tmp_path):
    files = [tmp_path / name for name in ("play.yml", "hosts", "ansible.cfg")]
    hosts = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    for path, text in zip(files, (who, hosts, "[defaults]\n"), strict=True):
        path.write_text(text)
    play, inventory, config = files
    run_playbook(play, inventory, phase="x", listen=print, config=config)
    # People who run Ansible themselves need no Mitogen, and the plays do not ask for it.
    env = os.environ | environment(config, mitogen=False)
    command = ["ansible-playbook", "-i", str(inventory), str(play)]
    plain = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "Assertion failed" in plain.stdout
