"""Hosts for tests of who reaches a lab: network namespaces, and firewalls as hosts have them.

Nothing of this host's own network is touched.
"""

import subprocess
import sys
from pathlib import Path

from tests.labs import PROJECT

HOST, ONE, TWO, STRANGER, NEIGHBOUR = (
    f"kt-{name}" for name in ("host", "one", "two", "stranger", "neighbour")
)
ADDRESS = {
    HOST: "10.77.0.1",
    ONE: "10.77.0.10",
    TWO: "10.77.0.11",
    STRANGER: "192.0.2.2",
    NEIGHBOUR: "10.78.0.10",
}
PORTS = (22, 2379, 6443, 10250, 30080)
ALL = set(PORTS)
# The settings of the kernel that have no namespace are this host's own.
CALL = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from ipaddress import IPv4Network
from pathlib import Path
from provisioner.providers.nspawn import hostlock, kernel, resolver
from provisioner.providers.nspawn.network import LabNetwork
kernel.SETTINGS = kernel.SETTINGS[:1]
hostlock.FOLDER = Path("{{folder}}/lock")
resolver.RESOLV_CONF, resolver.BEHIND = Path("{{folder}}/resolv.conf"), ()
inside = (IPv4Network("10.244.0.0/16"),)
lab = LabNetwork("{{lab}}", IPv4Network("{{net}}"), inside, True, {{expose}})
"""
SERVE = """
import socket, sys, threading
def serve(port):
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            server.accept()[0].close()
for port in map(int, sys.argv[1:]):
    threading.Thread(target=serve, args=[port]).start()
print("up", flush=True)
"""
SCAN = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
address, *ports = sys.argv[1:]
def is_open(port):
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor(32) as pool:
    print(*(port for port, found in zip(ports, pool.map(is_open, ports)) if found))
"""
# firewalld's own chains, without those that decide nothing here.
FIREWALLD = """\
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD_ZONES {
    iifname "up0" goto filter_FWD_public
    goto filter_FWD_public
  }
  chain filter_FWD_public {
    meta l4proto { icmp, ipv6-icmp } accept
    reject with icmpx admin-prohibited
  }
}
"""
IPTABLES_SERVICES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""
DOCKER = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""
UFW = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
:ufw-reject-forward - [0:0]
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-reject-forward
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
COMMIT
"""
EXCEPTIONS = """\
table ip mine {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip daddr 192.0.2.2 tcp dport 6443 drop
    iifname "virbr0" reject
  }
}
"""
FIREWALLS = {
    "firewalld": ("nft", FIREWALLD),
    "iptables-services": ("iptables", IPTABLES_SERVICES),
    "docker": ("iptables", DOCKER),
    "ufw": ("iptables", UFW),
}


def run(*argv: str, stdin: str = "", check: bool = True) -> str:
    return subprocess.run(
        argv, check=check, input=stdin, capture_output=True, text=True, timeout=60
    ).stdout


def within(space: str, *argv: str, stdin: str = "", check: bool = True) -> str:
    return run("ip", "netns", "exec", space, *argv, stdin=stdin, check=check)


def link(space: str, name: str, peer: str, peer_space: str = HOST) -> None:
    run(
        "ip", "link", "add", name, "netns", space, "type", "veth", "peer", peer, "netns", peer_space
    )
    for where, what in ((space, name), (peer_space, peer)):
        within(where, "ip", "link", "set", what, "up")


class Hosts:
    """A host with its lab, a lab beside it, and a host on another network that it routes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[subprocess.Popen[str]] = []
        (folder / "resolv.conf").write_text("nameserver 192.0.2.2\n")
        for space in ADDRESS:
            run("ip", "netns", "add", space)
            within(space, "ip", "link", "set", "lo", "up")
        link(STRANGER, "eth0", "up0")
        within(HOST, "ip", "address", "add", "192.0.2.1/24", "dev", "up0")
        within(STRANGER, "ip", "address", "add", "192.0.2.2/24", "dev", "eth0")
        within(STRANGER, "ip", "route", "add", "default", "via", "192.0.2.1")
        within(HOST, "ip", "route", "add", "default", "via", "192.0.2.2")

    def call(self, code: str, *, expose: tuple = (), lab: str = "lab", net: str = "10.77.0.0/24"):
        head = CALL.format(folder=self.folder, lab=lab, net=net, expose=expose)
        return within(HOST, sys.executable, "-c", head + code).strip()

    def make(self, expose: tuple = ()) -> None:
        self.call("lab.make(2)", expose=expose)

    def attach(self, *spaces: str, lab: str = "lab", net: str = "10.77.0.0/24") -> None:
        """Put machines at a lab's bridge, with servers on all ports that matter."""
        bridge = self.call("print(lab.bridge)", lab=lab, net=net)
        for space in spaces:
            link(space, "host0", f"v{space[3:]}")
            within(HOST, "ip", "link", "set", f"v{space[3:]}", "master", bridge)
            within(space, "ip", "address", "add", f"{ADDRESS[space]}/24", "dev", "host0")
            gateway = ADDRESS[space].rpartition(".")[0] + ".1"
            within(space, "ip", "route", "add", "default", "via", gateway)
            self.serve(space)

    def serve(self, space: str) -> None:
        words = ["ip", "netns", "exec", space, sys.executable, "-c", SERVE, *map(str, PORTS)]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.servers.append(server)
        assert server.stdout.readline() == "up\n"

    def open(self, source: str, target: str) -> set[int]:
        """The ports of a target that a source reaches."""
        words = (sys.executable, "-c", SCAN, ADDRESS[target], *map(str, PORTS))
        return set(map(int, within(source, *words).split()))

    def rules(self) -> str:
        return within(HOST, "nft", "--stateless", "list", "ruleset")

    def load(self, kind: str, text: str) -> None:
        argv = ("nft", "-f", "-") if kind == "nft" else ("iptables-restore",)
        within(HOST, *argv, stdin=text)

    def end(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait(10)
        for space in ADDRESS:
            run("ip", "netns", "delete", space, check=False)
