"""Snapshots of several domains together, asked of libvirt's own driver for tests."""

import libvirt
import pytest

from provisioner.errors import LabError
from provisioner.model import Node
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.snapshots import Snapshots

NAMES = ("one", "two", "three")
NODES = [Node(name, "worker", "10.0.0.1", 1, 1) for name in NAMES]
DOMAIN = """\
<domain type="test"><name>kubelab-a-1-{node}</name><description>kubelab lab a-1 {node}</description>
<memory>1024</memory><os><type>hvm</type></os></domain>"""


@pytest.fixture
def shots(libvirt_for_tests):
    own = Hypervisor(libvirt_for_tests, "kubelab-a-1-", "kubelab lab a-1")
    for node in NAMES:
        own.link.createXML(DOMAIN.format(node=node))
    return Snapshots(own, NODES, lambda nodes, listen: None)


def states(shots):
    return [shots.hypervisor.facts(node).state for node in NAMES]


def save(shots, name):
    shots.save(name, lambda event: None)


def test_all_go_on_after_a_save_but_those_that_were_paused(shots):
    shots.hypervisor.domain("two").suspend()
    save(shots, "first")
    assert states(shots) == ["running", "paused", "running"]
    assert [(s.name, s.running) for s in shots.list()] == [("first", True)]


class Refusing:
    """A domain of which libvirt refuses one thing."""

    def __init__(self, domain, act):
        self._domain, self._act = domain, act

    def __getattr__(self, name):
        if name == self._act:
            raise libvirt.libvirtError("no space left")
        return getattr(self._domain, name)


@pytest.mark.parametrize("act", ["suspend", "snapshotCreateXML"])
def test_a_save_that_is_refused_leaves_all_running_and_nothing_kept(shots, act, monkeypatch):
    found = shots._domains()
    found["two"] = Refusing(found["two"], act)
    monkeypatch.setattr(shots, "_domains", lambda: found)
    with pytest.raises(LabError, match="cannot save") as refused:
        save(shots, "first")
    assert "no space left" in refused.value.details
    assert states(shots) == ["running"] * 3
    assert not any(d.listAllSnapshots() for d in found.values())


def test_a_domain_that_does_not_go_on_does_not_keep_the_others(shots, monkeypatch):
    found = shots._domains()
    found["two"] = Refusing(found["two"], "resume")
    monkeypatch.setattr(shots, "_domains", lambda: found)
    with pytest.raises(LabError, match="cannot save"):
        save(shots, "first")
    assert states(shots) == ["running", "paused", "running"]
