"""The network of a lab on this host: a bridge, its address, and a table of rules of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from provisioner.errors import HostError
from provisioner.providers.naming import short
from provisioner.providers.nspawn import firewall, kernel
from provisioner.providers.nspawn.hostlock import host_lock, remove_lock
from provisioner.providers.nspawn.resolver import Resolver, resolver_of
from provisioner.providers.routes import ip, routes_over, uplink_mtu
from provisioner.shell import run

PREFIX = "kl-"
# Locally administered, then "kl" in ASCII.
MAC = ("02", "6b", "6c")
LINKS = Path("/proc/sys/net/ipv4/conf")
EVERYTHING = "all"
# The first lines replace what was there, in the same transaction. A drop is final, whatever a
# firewall of this host accepts; what this host itself sends is not forwarded, and passes.
#
# Packets to pods and services stay in the lab. Until kube-proxy runs on a node, they would leave by
# the default route, to whoever has that address outside.
RULES = """\
table ip {table}
delete table ip {table}
table ip {table} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{bridge}" oifname "{bridge}" accept
    iifname "{bridge}" ip daddr {{ {inside} }} drop comment "{comment}"
    oifname "{bridge}" ct state established,related accept
    {opened}
    oifname "{bridge}" drop comment "{comment}"
  }}
}}
"""
NAT = """\
table ip {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {net} ip daddr != {net} oifname != "{bridge}" masquerade comment "{comment}"
  }}
}}
"""
# Questions for names go to a resolver on this host's loopback, and nothing else of machines does.
DNS = """\
table ip {table} {{
  chain loopback {{
    type filter hook prerouting priority raw;
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "{bridge}" ip daddr {gateway} udp dport 53 dnat to {resolver}
    iifname "{bridge}" ip daddr {gateway} tcp dport 53 dnat to {resolver}
  }}
}}
"""
OPENED_PORTS = 'oifname "{bridge}" meta l4proto {{ tcp, udp }} th dport {{ {ports} }} accept'
OPENED = 'oifname "{bridge}" accept'


@dataclass(frozen=True)
class LabNetwork:
    """The bridge of one lab. The host has the first address of ``network``.

    ``inside`` are ranges (of pods, of services) that nothing outside the lab may be asked for.
    ``expose`` are the ports of machines that other networks reach, or ``all``.
    """

    lab: str
    network: IPv4Network
    inside: tuple[IPv4Network, ...]
    nat: bool
    expose: tuple[int | str, ...] = ()

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"{PREFIX}{short(self.lab)}"

    @property
    def table(self) -> str:
        """The nft table's name; all rules of the lab are in it, so that it goes in one piece."""
        return f"kubelab-{short(self.lab)}"

    @property
    def mac(self) -> str:
        """The bridge's address: it tells ours from somebody else's of the same name.

        Unlike an alias it is given in the very call that makes the link, so a kill in between
        cannot leave a bridge that nobody owns to.
        """
        digits = short(self.lab, 6)
        return ":".join([*MAC, *(digits[i : i + 2] for i in (0, 2, 4))])

    @property
    def gateway(self) -> str:
        """The host's address in the lab's network."""
        return str(self.network[1])

    def conflict(self) -> str:
        """Why this network cannot be made here, or an empty text."""
        link = self._link()
        if link and link["address"] != self.mac:
            return f"a link named {self.bridge} exists that is not this lab's"
        for place, way, devices in routes_over(self.network):
            if devices != [self.bridge]:
                return f"{self.network} overlaps this host's route to {place} ({way})"
        return ""

    @property
    def resolver(self) -> Resolver:
        """The resolver of the lab's machines."""
        return resolver_of(self.gateway)

    @property
    def is_made(self) -> bool:
        """Whether the bridge is there."""
        return bool(self._link())

    @property
    def has_rules(self) -> bool:
        """Whether this host has the rules that close the network."""
        shown = run(["nft", "list", "chain", "ip", self.table, "forward"], check=False)
        return f'oifname "{self.bridge}" drop' in shown.stdout

    def make(self, machines: int) -> None:
        """Make bridge, address and rules, with settings of the kernel for so many machines.

        Raises:
            HostError: another network is in the way.
            BusyError: another command is at the networks of this host.
        """
        with host_lock():
            # Before the link, so that it is never open.
            self._refuse_conflict()
            resolver = self.resolver
            run(["nft", "-f", "-"], stdin=self._rules(resolver))
            self._make_link()
            route_localnet = LINKS / self.bridge / "route_localnet"
            route_localnet.write_text("1" if resolver.passed_to else "0")
            firewall.let_pass(self.bridge, self.table, dns=bool(resolver.passed_to))
            kernel.raise_for(machines)

    def _refuse_conflict(self) -> None:
        if conflict := self.conflict():
            raise HostError(
                f"the lab's network {self.network} cannot be made",
                conflict,
                "Choose another networks.node in the lab spec, or destroy the lab that has it.",
            )

    def _make_link(self) -> None:
        if not self._link():
            run(["ip", "link", "add", self.bridge, "address", self.mac, "type", "bridge"])
        link = self._link()
        if link and "UP" not in link.get("flags", []):
            run(["ip", "link", "set", self.bridge, "mtu", str(uplink_mtu()), "up"])
        address = f"{self.gateway}/{self.network.prefixlen}"
        run(["ip", "address", "replace", address, "dev", self.bridge])

    def _rules(self, resolver: Resolver) -> str:
        values = {
            "table": self.table,
            "net": self.network,
            "bridge": self.bridge,
            "inside": ", ".join(map(str, self.inside)),
            "comment": f"kubelab lab {self.lab}",
            "gateway": self.gateway,
            "resolver": resolver.passed_to,
        }
        opened = ""
        if EVERYTHING in self.expose:
            opened = OPENED.format(**values)
        elif self.expose:
            opened = OPENED_PORTS.format(**values, ports=", ".join(map(str, self.expose)))
        parts = [RULES, *([NAT] if self.nat else []), *([DNS] if resolver.passed_to else [])]
        # One file is one transaction of nft's: the table is there whole, or not at all.
        return "".join(part.format(**values, opened=opened) for part in parts)

    def remove(self) -> None:
        """Remove what ``make`` made, and nothing else."""
        with host_lock():
            firewall.remove_rules(self.bridge, self.table)
            link = self._link()
            if link and link["address"] == self.mac:
                run(["ip", "link", "delete", self.bridge])
            if run(["nft", "list", "table", "ip", self.table], check=False).code == 0:
                run(["nft", "delete", "table", "ip", self.table])
            if not [x for x in ip("link", "show", "type", "bridge") if _is_ours(x)]:
                kernel.put_back()
                remove_lock()

    def _link(self) -> dict[str, Any]:
        if not Path("/sys/class/net", self.bridge).exists():
            return {}
        return ip("link", "show", "dev", self.bridge)[0]


def _is_ours(link: dict[str, Any]) -> bool:
    return str(link["address"]).startswith(":".join(MAC))


def words_for(expose: Sequence[int | str]) -> str:
    """Who reaches the machines of a lab, in words."""
    if EVERYTHING in expose:
        return "open to every network that this host routes"
    if expose:
        return f"ports {', '.join(map(str, expose))} open to every network that this host routes"
    return "closed to all but this host"
