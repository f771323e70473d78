"""Labs at a libvirt, found by the descriptions of their domains."""

from pathlib import Path

import pytest

from provisioner.model import HostLab
from provisioner.providers.libvirt import remains
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.remains import labs_on_host, remove_lost

DOMAIN = """\
<domain type="test"><name>{name}</name><description>{text}</description>
<memory>1024</memory><os><type>hvm</type></os></domain>"""


@pytest.fixture
def define(libvirt_for_tests, monkeypatch):
    link = Hypervisor(libvirt_for_tests, "", "").link
    hypervisor_of = remains.hypervisor_of

    def on_this_link(label, uri):
        # That host is gone with its connection, and another one has another host.
        found = hypervisor_of(label, uri)
        found._link = link
        return found

    monkeypatch.setattr(remains, "hypervisor_of", on_this_link)

    def define(name, text, *, running=False):
        domain = link.defineXML(DOMAIN.format(name=name, text=text))
        if running:
            domain.create()

    return define


def test_labs_are_told_by_what_their_domains_say(define, libvirt_for_tests):
    define("kubelab-a-111111-one", "kubelab lab a-111111 one in /home/a b/lab", running=True)
    define("kubelab-a-111111-two", "kubelab lab a-111111 two in /home/a b/lab")
    define("kubelab-b-222222-one", "kubelab lab b-222222 one")
    define("kubelab-c-333333-one", "somebody's")
    define("theirs", "kubelab lab d-444444 one")
    assert labs_on_host(libvirt_for_tests) == [
        HostLab("a-111111", "vagrant", 1, Path("/home/a b/lab")),
        HostLab("b-222222", "vagrant", 0, None),
    ]


def test_a_lost_lab_is_removed_and_no_other(define, libvirt_for_tests, monkeypatch):
    removed = []
    # The driver for tests does not remove a domain with its snapshots.
    monkeypatch.setattr(Hypervisor, "remove", lambda _, domain: removed.append(domain.name()))
    define("kubelab-a-111111-one", "kubelab lab a-111111 one in /gone", running=True)
    define("kubelab-b-222222-one", "kubelab lab b-222222 one")
    remove_lost("a-111111", lambda _: None, libvirt_for_tests)
    assert removed == ["kubelab-a-111111-one"]


def test_where_no_libvirt_runs_there_is_no_lab():
    assert labs_on_host("qemu+unix:///system?socket=/nowhere") == []
