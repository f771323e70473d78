"""The network of a lab on this host: a bridge, its address, and a table of NAT rules."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from provisioner.errors import HostError
from provisioner.providers.naming import short
from provisioner.providers.nspawn import firewall
from provisioner.providers.routes import ip, routes_over, uplink_mtu
from provisioner.shell import lend, run

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Records that this host did not forward packets before its first lab. It belongs to no lab: the
# last one to go restores the setting. It ends with the host's uptime, as the setting does.
FORWARD_BEFORE = Path("/run/kubelab-ip_forward")
PREFIX = "kl-"
# Locally administered, then "kl" in ASCII.
MAC = ("02", "6b", "6c")
# Packets to pods and services stay in the lab. Until kube-proxy runs on a node, they would leave by
# the default route, to whoever has that address outside.
RULES = """\
table ip {table} {{
  chain forward {{
    type filter hook forward priority filter;
    iifname "{bridge}" oifname != "{bridge}" ip daddr {{ {inside} }} drop comment "{comment}"
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


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only process on this host that makes or removes a lab's network.

    The lock is on a folder that exists anyway, so it leaves no file. It ends with its holder and
    the processes that the holder started: of a killed command, the last one may still run.
    """
    handle = os.open("/run", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with lend(handle):
            yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class LabNetwork:
    """The bridge of one lab. The host has the first address of ``network``.

    ``inside`` are ranges (of pods, of services) that nothing outside the lab may be asked for.
    """

    lab: str
    network: IPv4Network
    inside: tuple[IPv4Network, ...]
    nat: bool

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

    def make(self) -> None:
        """Make what is missing of bridge, address, rules and forwarding.

        Raises:
            HostError: another network is in the way.
        """
        with _alone():
            self._make_link()
            if run(["nft", "list", "table", "ip", self.table], check=False).code != 0:
                run(["nft", "-f", "-"], stdin=self._rules())
            firewall.let_pass(self.bridge, self.table)
            if FORWARD.read_text().strip() == "0":
                FORWARD_BEFORE.write_text("0")
                FORWARD.write_text("1")

    def _make_link(self) -> None:
        if conflict := self.conflict():
            raise HostError(
                f"the lab's network {self.network} cannot be made",
                conflict,
                "Choose another networks.node in the lab spec, or destroy the lab that has it.",
            )
        if not self._link():
            run(["ip", "link", "add", self.bridge, "address", self.mac, "type", "bridge"])
        link = self._link()
        if link and "UP" not in link.get("flags", []):
            run(["ip", "link", "set", self.bridge, "mtu", str(uplink_mtu()), "up"])
        address = f"{self.gateway}/{self.network.prefixlen}"
        run(["ip", "address", "replace", address, "dev", self.bridge])

    def _rules(self) -> str:
        values = {
            "table": self.table,
            "net": self.network,
            "bridge": self.bridge,
            "inside": ", ".join(map(str, self.inside)),
            "comment": f"kubelab lab {self.lab}",
        }
        # One file is one transaction of nft's: the table is there whole, or not at all.
        return RULES.format(**values) + (NAT.format(**values) if self.nat else "")

    def remove(self) -> None:
        """Remove what ``make`` made, and nothing else."""
        with _alone():
            firewall.remove_rules(self.table)
            if run(["nft", "list", "table", "ip", self.table], check=False).code == 0:
                run(["nft", "delete", "table", "ip", self.table])
            link = self._link()
            if link and link["address"] == self.mac:
                run(["ip", "link", "delete", self.bridge])
            others = [x for x in ip("link", "show", "type", "bridge") if _is_ours(x)]
            if FORWARD_BEFORE.is_file() and not others:
                FORWARD.write_text("0")
                FORWARD_BEFORE.unlink()

    def _link(self) -> dict[str, Any]:
        if not Path("/sys/class/net", self.bridge).exists():
            return {}
        return ip("link", "show", "dev", self.bridge)[0]


def _is_ours(link: dict[str, Any]) -> bool:
    return str(link["address"]).startswith(":".join(MAC))
