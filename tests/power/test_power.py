"""A lab that is stopped and started, and the profile that a host gets where nobody names one."""

import json
import os
import signal
import time

import pytest

from provisioner.cli.common import existing
from provisioner.providers.nspawn import machine as nspawn
from provisioner.providers.nspawn.cgroups import groups_of


def test_stopped_and_started_it_works_without_help(lab):
    name = ("--name", lab.name)
    lab.run("stop", *name)
    status = lab.status()
    assert status["phase"] == "stopped"
    assert {node["machine"] for node in status["nodes"]} == {"stopped"}
    lab.run("start", *name)
    assert lab.status()["phase"] == "running"
    assert lab.json("verify", *name)["ok"] is True


def test_after_all_that_a_reboot_of_the_host_ends_start_brings_it_back(lab, monkeypatch):
    """Every process of the machines dies, and all that only the kernel knew of them is gone."""
    monkeypatch.setenv("KUBELAB_HOME", lab.env["KUBELAB_HOME"])
    provider = existing(lab.name).provider
    for group in groups_of(provider.label):
        group.kill()
        group.remove()
        nspawn.remove_link(provider.label, group.node)
    provider.net.remove()
    assert lab.status()["phase"] == "stopped"
    lab.run("start", "--name", lab.name)
    assert lab.json("verify", "--name", lab.name)["ok"] is True


def test_what_start_did_up_need_not_do_again(lab):
    assert set(lab.up()["changed"].values()) == {0}


def test_without_a_profile_the_host_is_asked_and_the_choice_kept(empty_lab, tmp_path, monkeypatch):
    monkeypatch.setitem(empty_lab.env, "KUBELAB_HOME", str(tmp_path))
    process = empty_lab.start("up")
    deadline = time.monotonic() + 60
    while not (kept := list(tmp_path.glob("*/choice.json"))):
        if time.monotonic() > deadline:
            pytest.fail("no choice was kept within a minute")
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    choice = json.loads(kept[0].read_text())
    kvm = next(check["detail"] for check in choice["checks"] if check["name"] == "kvm")
    assert choice["profile"] == ("centos7" if kvm.startswith("usable") else "embedded")
    assert f"Profile {choice['profile']}: " in err
    assert "kvm" in err
    if (tmp_path / choice["profile"] / "lab.yml").exists():
        empty_lab.run("destroy", "--yes", "--name", choice["profile"])
