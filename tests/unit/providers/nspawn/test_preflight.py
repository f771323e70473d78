"""What doctor and `up` say of this host's limits, firewall and resolver."""

from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest

from provisioner.providers.nspawn import firewall, kernel, preflight
from provisioner.providers.nspawn.network import LabNetwork

NET = LabNetwork("lab", IPv4Network("10.77.0.0/24"), (IPv4Network("10.244.0.0/16"),), True)


@pytest.fixture(autouse=True)
def root(monkeypatch):
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def chains(monkeypatch):
    """What a firewall has of chains that stop the lab, of its own rules, and of older rules."""
    found = SimpleNamespace(closed=[], passed=[], legacy="")
    monkeypatch.setattr(firewall, "closed_to", lambda bridge, dns: found.closed)
    monkeypatch.setattr(firewall, "passed", lambda comment: found.passed)
    monkeypatch.setattr(firewall, "legacy_closed", lambda: found.legacy)
    return found


def test_a_firewall_that_would_stop_the_lab_is_told_and_no_fault(chains):
    assert preflight._firewall(NET) == (True, "lets the lab pass", "")
    chain = ("inet", "firewalld", "filter_FORWARD")
    chains.closed = [(chain, ())]
    ok, said, _ = preflight._firewall(NET)
    assert ok
    assert said.startswith("inet firewalld filter_FORWARD would stop the lab")
    chains.closed, chains.passed = [], [chain]
    assert "inet firewalld filter_FORWARD has rules of this lab" in preflight._firewall(NET)[1]


def test_an_older_iptables_that_stops_the_lab_is_a_fault_with_what_to_type(chains):
    chains.legacy = "-P FORWARD DROP"
    ok, said, hint = preflight._firewall(NET)
    assert not ok
    assert "-P FORWARD DROP" in said
    assert f"iptables-legacy -I FORWARD -i {NET.bridge} -j ACCEPT" in hint


def test_limits_are_told_where_they_change_and_refused_where_they_cannot(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel, "SYSCTLS", tmp_path)
    limit = kernel.Setting("kernel.pid_max", 1000, 100)
    monkeypatch.setattr(kernel, "SETTINGS", (limit,))
    limit.file.parent.mkdir()
    limit.file.write_text("1250\n")
    assert preflight._kernel(2) == (True, "serves 2 machines", "")
    assert "kernel.pid_max 1250 to 1300" in preflight._kernel(3)[1]
    monkeypatch.setattr(kernel.os, "access", lambda path, mode: False)
    ok, said, hint = preflight._kernel(3)
    assert not ok
    assert "3 machines need kernel.pid_max 1250 to 1300" in said
    assert "sysctl -w kernel.pid_max=1300" in hint
    assert "2 fit" in hint


@pytest.mark.parametrize(("mib", "fits"), [(2048, "3 fit"), (1100, "1 fit"), (600, "")])
def test_memory_that_does_not_suffice_is_told_with_the_number_that_fits(monkeypatch, mib, fits):
    free = SimpleNamespace(available=mib * 2**20)
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: free)
    ok, _, hint = preflight._memory(10)
    assert not ok
    assert fits in hint
    assert ("fit" in hint) == bool(fits)


def test_a_disk_that_does_not_suffice_is_told_with_the_number_that_fits(monkeypatch, tmp_path):
    free = SimpleNamespace(free=7 * 2**30)
    monkeypatch.setattr(preflight, "_filesystem", lambda folder: "ext4")
    monkeypatch.setattr(preflight.psutil, "disk_usage", lambda place: free)
    assert "3 fit" in preflight._disk(tmp_path, 4)[2]
    assert "without a limit for each" in preflight._disk(tmp_path, 3)[1]
