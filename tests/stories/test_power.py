"""A lab after a reboot of its host, and the profile that a host gets where nobody names one."""

import json
import os
import signal
import time

import pytest

from provisioner.cli.common import existing
from provisioner.providers.nspawn import machine as nspawn
from provisioner.providers.nspawn.cgroups import groups_of
from tests.labs import Lab


@pytest.mark.extended
@pytest.mark.lab("default")
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


def test_without_a_profile_the_host_is_asked_and_the_choice_kept(tmp_path):
    lab = Lab("chosen")
    lab.env["KUBELAB_HOME"] = str(tmp_path)
    process = lab.start("up")
    deadline = time.monotonic() + 60
    while not (kept := list(tmp_path.glob("*/choice.json"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no choice was kept within a minute"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    choice = json.loads(kept[0].read_text())
    kvm = next(check["detail"] for check in choice["checks"] if check["name"] == "kvm")
    assert choice["profile"] == ("centos7" if kvm.startswith("usable") else "embedded")
    assert f"Profile {choice['profile']}: " in err
    assert "kvm" in err
    if (tmp_path / choice["profile"] / "lab.yml").exists():
        lab.run("destroy", "--yes", "--name", choice["profile"])
