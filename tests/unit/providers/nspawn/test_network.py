"""A lab's network: its names, what is in its way, and the host's forwarding."""

from ipaddress import IPv4Network

import pytest

from provisioner.errors import HostError
from provisioner.providers import routes
from provisioner.providers.nspawn import network
from provisioner.providers.nspawn.network import LabNetwork
from provisioner.shell import Result

NET = IPv4Network("10.77.0.0/24")
PODS = (IPv4Network("10.244.0.0/16"),)


class FakeHost:
    """The links and routes of a host, as ``ip -j`` shows them."""

    def __init__(self) -> None:
        self.routes: list[dict] = []
        self.links: dict[str, dict] = {}
        self.tables: set[str] = set()

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
            case ["nft", "-f", "-"]:
                self.tables.add(stdin.split()[2])
            case ["nft", "delete", "table", _, name]:
                self.tables.remove(name)
        return Result(tuple(argv), code, "", "")


@pytest.fixture
def host(monkeypatch, tmp_path):
    fake = FakeHost()
    monkeypatch.setattr(network, "ip", fake.ip)
    monkeypatch.setattr(routes, "ip", fake.ip)
    monkeypatch.setattr(network, "run", fake.run)
    monkeypatch.setattr(LabNetwork, "_link", lambda self: fake.links.get(self.bridge, {}))
    monkeypatch.setattr(network.firewall, "let_pass", lambda bridge, comment: None)
    monkeypatch.setattr(network.firewall, "remove_rules", lambda comment: None)
    monkeypatch.setattr(network, "FORWARD", tmp_path / "ip_forward")
    monkeypatch.setattr(network, "FORWARD_BEFORE", tmp_path / "before")
    network.FORWARD.write_text("0\n")
    return fake


def lab(name, net=NET):
    return LabNetwork(name, net, PODS, True)


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
        lab("x").make()
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
        one.make()
    assert network.FORWARD.read_text() == "1"
    labs[0].remove()
    assert network.FORWARD.read_text() == "1"
    labs[1].remove()
    assert network.FORWARD.read_text() == "0"
    assert not network.FORWARD_BEFORE.exists()
    assert not host.links
    assert not host.tables


def test_a_host_that_forwarded_before_goes_on_doing_so(host):
    network.FORWARD.write_text("1\n")
    lab("x").make()
    lab("x").remove()
    assert network.FORWARD.read_text().strip() == "1"
