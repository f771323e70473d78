"""Whose domains and volumes are whose, asked of libvirt's own driver for tests, in this process."""

import libvirt
import pytest

from provisioner.errors import LabError
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.pool import POOL

DOMAIN = """\
<domain type="test"><name>{name}</name><description>{mark} {node}</description>
<memory>1024</memory><os><type>hvm</type></os></domain>"""
VOLUME = "<volume><name>{name}</name><capacity>1048576</capacity></volume>"


class Stock:
    """A libvirt with domains and their disks, which is gone with its connection."""

    def __init__(self, uri):
        self.own = Hypervisor(uri, "kubelab-a-1-", "kubelab lab a-1")
        place = "<pool type='dir'><name>{}</name><target><path>/nowhere</path></target></pool>"
        self.pool = self.own.link.storagePoolCreateXML(place.format(POOL))

    def add(self, node, prefix="kubelab-a-1-", mark="kubelab lab a-1"):
        name = prefix + node
        self.own.link.defineXML(DOMAIN.format(name=name, mark=mark, node=node))
        # As vagrant calls them: the first and the second of a box, and one of its own.
        for end in (".img", "_1.img", "-vdb.qcow2"):
            self.pool.createXML(VOLUME.format(name=name + end))


@pytest.fixture
def stock(libvirt_for_tests):
    return Stock(libvirt_for_tests)


def test_a_domain_has_its_own_disks_and_not_those_of_a_longer_name(stock):
    stock.add("worker1")
    stock.add("worker10")
    disks = [volume.name() for volume in stock.own.pool.volumes_of("kubelab-a-1-worker1")]
    assert sorted(disks) == [
        "kubelab-a-1-worker1-vdb.qcow2",
        "kubelab-a-1-worker1.img",
        "kubelab-a-1-worker1_1.img",
    ]


def test_disks_without_a_domain_are_removed(stock):
    stock.add("one")
    stock.add("two")
    stock.own.domain("two").undefine()
    stock.own.remove_stray_disks(["one", "two", "three"])
    disks = [volume.name() for volume in stock.own.pool.volumes()]
    assert sorted(disks) == [
        "kubelab-a-1-one-vdb.qcow2",
        "kubelab-a-1-one.img",
        "kubelab-a-1-one_1.img",
    ]


def test_a_domain_is_ours_by_its_description_alone(stock):
    stock.add("one")
    stock.add("two", mark="kubelab lab a-12")
    stock.add("three", mark="somebody's")
    assert [domain.name() for domain in stock.own.own_domains()] == ["kubelab-a-1-one"]


def test_a_libvirt_that_went_away_keeps_its_disks(stock, monkeypatch):
    stock.add("one")
    # Between two questions: the connection is found whole by the first of them.
    monkeypatch.setattr(Hypervisor, "link", stock.own.link)
    stock.own.link.close()
    with pytest.raises(LabError, match="cannot look up"):
        stock.own.remove_stray_disks(["one"])


def test_a_connection_that_broke_is_made_anew(stock):
    first = stock.own.link
    assert stock.own.link is first
    first.close()
    with pytest.raises(libvirt.libvirtError):
        first.getLibVersion()
    assert stock.own.link is not first
    assert stock.own.domain("one") is None
