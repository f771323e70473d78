"""A lab's network: its names, what is in its way, and the host's forwarding."""

from ipaddress import IPv4Network

import pytest

from provisioner.errors import HostError
from provisioner.providers import routes
from provisioner.providers.nspawn import hostlock, kernel, network, resolver
from provisioner.providers.nspawn.network import LabNetwork, words_for
from provisioner.shell import Result

NET = IPv4Network("10.77.0.0/24")
PODS = (IPv4Network("10.244.0.0/16"),)


class FakeHost:
    """The links and routes of a host, as ``ip -j`` shows them."""

    def __init__(self) -> None:
        self.routes: list[dict] = []
        self.links: dict[str, dict] = {}
        self.tables: dict[str, str] = {}

    def ip(self, *words):
        if words[0] == "route":
            only_default = words[-1] == "default"
            return [r for r in self.routes if r["dst"] == "default" or not only_default]
        if words[:3] == ("link", "show", "dev"):
            return [self.links[words[3]]]
        return list(self.links.values())

    def run(self, argv, *, check=True, stdin=""):
        code = 0
        match argv:
            case ["ip", "link", "add", name, "address", mac, *_]:
                self.links[name] = {"ifname": name, "address": mac, "flags": [], "mtu": 1500}
            case ["ip", "link", "delete", name]:
                del self.links[name]
            case ["nft", "list", "table", _, name]:
                code = 0 if name in self.tables else 1
            case ["nft", "list", "chain", _, name, _]:
                return Result(tuple(argv), 0, self.tables.get(name, ""), "")
            case ["nft", "-f", "-"]:
                self.tables[stdin.split()[2]] = stdin
            case ["nft", "delete", "table", _, name]:
                del self.tables[name]
        return Result(tuple(argv), code, "", "")


@pytest.fixture
def host(monkeypatch, tmp_path):
    fake = FakeHost()
    monkeypatch.setattr(network, "ip", fake.ip)
    monkeypatch.setattr(routes, "ip", fake.ip)
    monkeypatch.setattr(network, "run", fake.run)
    monkeypatch.setattr(LabNetwork, "_link", lambda self: fake.links.get(self.bridge, {}))
    monkeypatch.setattr(network.firewall, "let_pass", lambda bridge, comment, dns: None)
    monkeypatch.setattr(network.firewall, "remove_rules", lambda bridge, comment: None)
    monkeypatch.setattr(network, "LINKS", tmp_path / "conf")
    for name in ("first", "second", "x"):
        (tmp_path / "conf" / lab(name).bridge).mkdir(parents=True)
    monkeypatch.setattr(kernel, "SYSCTLS", tmp_path)
    monkeypatch.setattr(hostlock, "FOLDER", tmp_path / "run")
    monkeypatch.setattr(resolver, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(resolver, "BEHIND", ())
    resolver.RESOLV_CONF.write_text("nameserver 192.0.2.53\n")
    fake.forwarding = tmp_path / "net/ipv4/ip_forward"
    fake.forwarding.parent.mkdir(parents=True)
    fake.forwarding.write_text("0\n")
    return fake


def lab(name, net=NET, expose=()):
    return LabNetwork(name, net, PODS, True, expose)


def test_names_are_stable_and_fit_a_link():
    net = lab("a-name-that-is-as-long-as-the-name-of-a-lab-may-ever-be-in-here")
    assert len(net.bridge) <= 15
    assert net.bridge == lab(net.lab).bridge != lab("other").bridge


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"dst": "10.77.0.0/25", "dev": "eth1"}, "dev eth1"),
        ({"dst": "10.0.0.0/8", "type": "blackhole"}, "blackhole"),
        ({"dst": "10.77.0.0/16", "nexthops": [{"dev": "a"}, {"dev": "b"}]}, "dev a, b"),
        ({"dst": "10.77.0.9", "dev": "tun0"}, "dev tun0"),
    ],
)
def test_a_route_in_the_way_is_named_whatever_its_kind(host, route, said):
    host.routes = [{"dst": "default", "dev": "eth0"}, route]
    with pytest.raises(HostError) as caught:
        lab("x").make(1)
    assert said in caught.value.details
    assert not host.links


def test_other_routes_are_not_in_the_way(host):
    host.routes = [{"dst": "default", "dev": "eth0"}, {"dst": "10.78.0.0/24", "dev": "eth1"}]
    assert lab("x").conflict() == ""


def test_the_mtu_is_the_smallest_of_a_default_route_of_many_ways(host):
    host.links = {"a": {"mtu": 1500}, "b": {"mtu": 1400}}
    host.routes = [{"dst": "default", "nexthops": [{"dev": "a"}, {"dev": "b"}]}]
    assert routes.uplink_mtu() == 1400


def test_the_last_lab_gives_forwarding_back(host):
    labs = [lab("first"), lab("second", IPv4Network("10.78.0.0/24"))]
    for one in labs:
        one.make(1)
    assert host.forwarding.read_text() == "1"
    labs[0].remove()
    assert host.forwarding.read_text() == "1"
    labs[1].remove()
    assert host.forwarding.read_text() == "0"
    assert not hostlock.FOLDER.exists()
    assert not host.links
    assert not host.tables


def test_a_host_that_forwarded_before_goes_on_doing_so(host):
    host.forwarding.write_text("1\n")
    lab("x").make(1)
    lab("x").remove()
    assert host.forwarding.read_text().strip() == "1"


@pytest.mark.parametrize(
    ("expose", "line", "told"),
    [
        ((), "", "closed to all but this host"),
        ((6443, 30080), "th dport { 6443, 30080 } accept", "ports 6443, 30080 open"),
        ((6443, "all"), "accept", "open to every network"),
    ],
)
def test_a_spec_opens_ports_and_a_drop_ends_the_chain(host, expose, line, told):
    net = lab("x", expose=expose)
    net.make(1)
    lines = [x.strip() for x in host.tables[net.table].splitlines() if "oifname" in x]
    # The first is for machines among one another, the last of NAT.
    assert lines[-2].startswith(f'oifname "{net.bridge}" drop')
    opened = [x for x in lines if x.endswith("accept") and "ct state" not in x][1:]
    assert len(opened) == bool(expose)
    assert all(x.endswith(line) for x in opened)
    assert words_for(expose).startswith(told)
    assert net.has_rules
    host.tables.clear()
    assert not net.has_rules


def test_rules_are_replaced_in_one_transaction(host):
    net = lab("x")
    net.make(1)
    text = host.tables[net.table].splitlines()
    assert text[:2] == [f"table ip {net.table}", f"delete table ip {net.table}"]


def test_a_resolver_on_loopback_is_led_to_and_nothing_else_there(host):
    net, setting = lab("x"), network.LINKS / lab("x").bridge / "route_localnet"
    net.make(1)
    assert "dnat" not in host.tables[net.table]
    assert setting.read_text() == "0"
    resolver.RESOLV_CONF.write_text("nameserver 127.0.0.53\n")
    net.make(1)
    assert "ip daddr 10.77.0.1 udp dport 53 dnat to 127.0.0.53" in host.tables[net.table]
    assert "ip daddr 127.0.0.0/8 drop" in host.tables[net.table]
    assert setting.read_text() == "1"
