"""The firewall of this host: which of its chains would stop a lab, and rules to pass them.

Docker and ufw set the policy drop; firewalld and others reject whatever reaches the end of a chain
whose policy is accept. A drop is final, whatever another table accepts. So rules of the lab's own
go to the top of each such chain; their comment identifies them. They use only what ``iptables`` can
show, since it refuses to change a table with a rule that it does not understand.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from provisioner.errors import HostError, LabError
from provisioner.shell import run

OWN = "kubelab-"
FIREWALLD = ("firewall-cmd", "--zone=trusted")
LEGACY = Path("/proc/net/ip_tables_names")
FAMILIES = ("ip", "inet")
FORWARD_RULES = ('iifname "{bridge}"', 'oifname "{bridge}"')
DNS_RULES = ('iifname "{bridge}" udp dport 53', 'iifname "{bridge}" tcp dport 53')

Chain = tuple[str, str, str]
"""Family, table and name."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, by the links that it comes and goes by; empty: by any."""

    comes: str = ""
    goes: str = ""


@dataclass(frozen=True)
class Ruleset:
    """All chains and rules of this host, as nft tells them."""

    bases: Mapping[Chain, Mapping[str, Any]] = field(default_factory=dict)
    rules: Mapping[Chain, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def closed(self, hook: str, packets: Sequence[Packet]) -> list[Chain]:
        """The chains of a hook that stop one of the packets, whatever address and port it has."""
        return [
            chain
            for chain, facts in self.bases.items()
            if facts["hook"] == hook and any(self._stops(chain, packet) for packet in packets)
        ]

    def marked(self, comment: str) -> Iterator[tuple[Chain, int]]:
        """The rules that have this comment, each by its chain and its handle."""
        for chain, rules in self.rules.items():
            for rule in rules:
                if rule.get("comment") == comment:
                    yield chain, rule["handle"]

    def _stops(self, chain: Chain, packet: Packet) -> bool:
        fate = self._fate(chain, packet) or self.bases[chain].get("policy", "accept")
        return fate == "drop"

    def _fate(self, chain: Chain, packet: Packet) -> str:
        """What a chain does to a packet: accept, drop, or nothing (an empty text).

        A rule with a condition that not every such packet meets, such as one on an address, is
        somebody's exception, and does not count.
        """
        for rule in self.rules.get(chain, ()):
            for statement in rule.get("expr", ()):
                ((kind, body),) = statement.items()
                if not _applies(kind, body, packet):
                    break
                if kind in ("jump", "goto"):
                    fate = self._fate((*chain[:2], body["target"]), packet)
                    if fate or kind == "goto":
                        return fate
                elif verdict := _verdict(kind, body):
                    return verdict.removeprefix("return")
        return ""


def ruleset() -> Ruleset:
    """The rules of this host, without those of labs' own tables.

    Raises:
        CommandError: nft failed.
    """
    bases: dict[Chain, Mapping[str, Any]] = {}
    rules: dict[Chain, list[Mapping[str, Any]]] = {}
    answer = json.loads(run(["nft", "-j", "list", "ruleset"]).stdout)
    for entry in answer["nftables"]:
        ((kind, body),) = entry.items()
        if body.get("family") not in FAMILIES or body.get("table", OWN).startswith(OWN):
            continue
        if kind == "chain" and body.get("type") == "filter":
            bases[body["family"], body["table"], body["name"]] = body
        elif kind == "rule":
            rules.setdefault((body["family"], body["table"], body["chain"]), []).append(body)
    return Ruleset(bases, rules)


def closed_to(bridge: str, *, dns: bool) -> list[tuple[Chain, Sequence[str]]]:
    """The chains that stop a lab's packets, each with the rules that pass them.

    ``dns``: this host answers the machines' questions for names.
    """
    found, ways = ruleset(), [Packet(bridge, bridge), Packet(bridge), Packet("", bridge)]
    chains = [(chain, FORWARD_RULES) for chain in found.closed("forward", ways)]
    inward = found.closed("input", [Packet(bridge)]) if dns else []
    return [*chains, *((chain, DNS_RULES) for chain in inward)]


def let_pass(bridge: str, comment: str, *, dns: bool) -> None:
    """Accept a lab's packets in every chain that would stop them, unless that is done.

    Raises:
        HostError: a chain belongs to a program that does not let others change it.
    """
    for chain, rules in closed_to(bridge, dns=dns):
        lines = [
            f"insert rule {' '.join(chain)} {rule.format(bridge=bridge)} accept"
            f' comment "{comment}"\n'
            for rule in rules
        ]
        asked = run(["nft", "-f", "-"], stdin="".join(lines), check=False)
        if asked.code != 0:
            _ask_firewalld(bridge, chain, asked.stderr)


def _ask_firewalld(bridge: str, chain: Chain, refusal: str) -> None:
    """Let firewalld pass a lab: from 2.2 on nobody else may change its table."""
    why = refusal.strip()
    if shutil.which(FIREWALLD[0]):
        asked = run([*FIREWALLD, f"--add-interface={bridge}"], check=False)
        if asked.code == 0 or "ALREADY_ENABLED" in asked.stderr:
            return
        why = asked.stderr.strip()
    raise HostError(
        f"this host's firewall stops the lab: {' '.join(chain)}",
        f"Its rules cannot be changed: {why}",
        f"Let what comes from {bridge} pass by the program that owns these rules.",
    )


def passed(comment: str) -> list[Chain]:
    """The chains that ``let_pass`` has put rules into."""
    return sorted({chain for chain, _ in ruleset().marked(comment)})


def remove_rules(bridge: str, comment: str) -> None:
    """Remove what ``let_pass`` put there."""
    marked = ruleset().marked(comment)
    lines = [f"delete rule {' '.join(chain)} handle {handle}\n" for chain, handle in marked]
    if lines:
        run(["nft", "-f", "-"], stdin="".join(lines))
    if shutil.which(FIREWALLD[0]):
        # It fails where firewalld does not run, or was not asked for anything.
        run([*FIREWALLD, f"--remove-interface={bridge}"], check=False)


def legacy_closed() -> str:
    """What of the older iptables, which nft does not show, would stop a lab; empty for nothing."""
    if not LEGACY.is_file() or "filter" not in LEGACY.read_text().split():
        return ""
    try:
        rules = run(["iptables-legacy", "-S", "FORWARD"], check=False).stdout.splitlines()
    except LabError:
        return ""
    closing = ("-P FORWARD DROP", "-A FORWARD -j DROP", "-A FORWARD -j REJECT")
    return next((rule for rule in rules if rule.startswith(closing)), "")


def _verdict(kind: str, body: Any) -> str:
    """The end that a statement makes of a packet; empty if the next statement is asked."""
    if kind == "xt":
        # iptables' own words, which nft only passes on.
        name = (body or {}).get("name", "") if (body or {}).get("type") == "target" else ""
        return "drop" if name in ("DROP", "REJECT") else ""
    ends = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return"}
    return ends.get(kind, "")


def _applies(kind: str, body: Any, packet: Packet) -> bool:
    """Whether every such packet gets over a statement of a rule to the next one."""
    if kind == "match":
        return _matches(body, packet)
    # A limit, a map of verdicts, or a condition of iptables' own is met by some packets alone.
    if kind == "xt":
        return (body or {}).get("type") == "target"
    return kind not in ("limit", "quota", "vmap", "ct count", "socket", "fib")


def _matches(body: Mapping[str, Any], packet: Packet) -> bool:
    left, right = body["left"], body["right"]
    unlike: bool = body["op"] == "!="
    values = right.get("set", [right]) if isinstance(right, dict) else right
    values = values if isinstance(values, list) else [values]
    key = next(iter(left.values())).get("key") if isinstance(left, dict) else None
    if "ct" in left and key == "state":
        return ("new" in values) != unlike
    if "meta" in left and key in ("nfproto", "protocol"):
        return bool({"ipv4", "ip"} & set(map(str, values))) != unlike
    if "meta" in left and key in ("iifname", "oifname", "iif", "oif"):
        link = packet.comes if key.startswith("iif") else packet.goes
        known = any(fnmatchcase(link, str(value)) for value in values)
        return bool(link) and known != unlike
    return False
