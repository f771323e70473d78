"""Who reaches a lab's machines, by real rules and packets: network namespaces stand for hosts."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.machine.spaces import (
    ALL,
    EXCEPTIONS,
    FIREWALLS,
    HOST,
    NEIGHBOUR,
    ONE,
    PORTS,
    SCAN,
    STRANGER,
    TWO,
    Hosts,
    within,
)
from tests.skips import lacks

pytestmark = pytest.mark.skipif(lacks("nft")(), reason="no nft on this host")


@pytest.fixture
def hosts(tmp_path) -> Iterator[Hosts]:
    found = None
    try:
        found = Hosts(tmp_path)
        yield found
    finally:
        if found:
            found.end()


def test_only_the_host_and_its_own_machines_reach_a_lab(hosts):
    hosts.make()
    hosts.call("lab.make(1)", lab="beside", net="10.78.0.0/24")
    hosts.attach(ONE, TWO)
    hosts.attach(NEIGHBOUR, lab="beside", net="10.78.0.0/24")
    hosts.serve(STRANGER)
    assert hosts.open(HOST, ONE) == ALL
    assert hosts.open(ONE, TWO) == ALL
    assert hosts.open(ONE, STRANGER) == ALL
    assert hosts.open(STRANGER, ONE) == set()
    assert hosts.open(NEIGHBOUR, ONE) == set()
    assert hosts.open(ONE, NEIGHBOUR) == set()


@pytest.mark.parametrize(
    ("expose", "reached"), [((6443, 30080), {6443, 30080}), (("all",), ALL), ((), set())]
)
def test_what_a_spec_exposes_is_open_and_can_be_changed(hosts, expose, reached):
    hosts.make(("all",))
    hosts.attach(ONE)
    assert hosts.open(STRANGER, ONE) == ALL
    hosts.make(expose)
    assert hosts.open(STRANGER, ONE) == reached
    assert hosts.call("print(lab.has_rules)") == "True"


@pytest.mark.parametrize("name", FIREWALLS)
def test_a_firewall_is_passed_by_rules_that_go_with_the_lab(hosts, name):
    kind, text = FIREWALLS[name]
    # The lab is made with an open network first: the firewall has to stop it, or shows nothing.
    hosts.make()
    hosts.attach(ONE, TWO)
    hosts.serve(STRANGER)
    hosts.load(kind, text)
    before = hosts.rules()
    assert hosts.open(ONE, STRANGER) == set()
    hosts.make()
    made = hosts.rules()
    assert hosts.open(ONE, STRANGER) == ALL
    assert hosts.open(ONE, TWO) == ALL
    assert hosts.open(STRANGER, ONE) == set()
    hosts.make()
    assert hosts.rules() == made
    if kind == "iptables":
        # It refuses a table with a rule that it does not know.
        within(HOST, "iptables-save")
    hosts.call("lab.remove()")
    left = [line for line in before.splitlines() if "kubelab" not in line]
    assert "kubelab" not in hosts.rules()
    assert set(hosts.rules().splitlines()) <= set(left)


def test_an_exception_of_somebodys_firewall_is_left_alone(hosts):
    hosts.load("nft", EXCEPTIONS)
    before = hosts.rules()
    hosts.make()
    hosts.attach(ONE)
    hosts.serve(STRANGER)
    assert hosts.open(ONE, STRANGER) == ALL - {6443}
    assert before in hosts.rules()


RESOLVER = """
import socket
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("127.0.0.53", 53))
print("up", flush=True)
while True:
    question, peer = udp.recvfrom(512)
    udp.sendto(question[::-1], peer)
"""
ASK = """
import socket
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.settimeout(2)
udp.sendto(b"question", ("10.77.0.1", 53))
print(udp.recv(512).decode())
"""


@pytest.mark.parametrize("name", [None, "ufw"])
def test_machines_ask_a_resolver_on_the_hosts_loopback_and_reach_nothing_else_there(hosts, name):
    (hosts.folder / "resolv.conf").write_text("nameserver 127.0.0.53\nsearch lab.example\n")
    words = ["ip", "netns", "exec", HOST, sys.executable, "-c", RESOLVER]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    hosts.servers.append(server)
    assert server.stdout.readline() == "up\n"
    if name:
        hosts.load(*FIREWALLS[name])
    hosts.make()
    hosts.attach(ONE)
    text = hosts.call("print(lab.resolver.text)")
    assert text == "nameserver 10.77.0.1\nsearch lab.example"
    assert within(ONE, sys.executable, "-c", ASK) == "noitseuq\n"
    # With route_localnet a machine could send packets to the host's loopback.
    within(ONE, "ip", "route", "add", "127.0.0.0/8", "via", "10.77.0.1", check=False)
    within(ONE, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    within(ONE, "ip", "address", "del", "127.0.0.1/8", "dev", "lo")
    hosts.serve(HOST)
    words = (sys.executable, "-c", SCAN, "127.0.0.1", *map(str, PORTS))
    assert within(ONE, *words).split() == []


def test_a_host_that_did_not_forward_does_not_after_the_last_lab(hosts):
    read = ("cat", "/proc/sys/net/ipv4/ip_forward")
    within(HOST, "sysctl", "-qw", "net.ipv4.ip_forward=0")
    hosts.make()
    assert within(HOST, *read) == "1\n"
    hosts.call("lab.remove()")
    assert within(HOST, *read) == "0\n"
    assert not (hosts.folder / "lock").exists()
    assert hosts.rules() == ""


def test_a_lab_is_made_while_another_command_has_the_networks_for_a_moment(hosts):
    folder = hosts.folder / "lock"
    folder.mkdir()
    holder = subprocess.Popen(["flock", str(folder / "lock"), "sleep", "1"])
    time.sleep(0.2)
    hosts.make()
    holder.wait(10)
