"""Rules that let a lab's packets pass a firewall of this host with the policy drop.

Docker and ufw set that policy. A drop there is final, whatever another table accepts. So two rules
go to the top of each such chain; their comment identifies them. They use only what ``iptables`` can
show, since it refuses to change a table with a rule that it does not understand.
"""

import json
from collections.abc import Iterator
from typing import Any

from provisioner.shell import run


def _listed(*words: str) -> list[dict[str, Any]]:
    answer: dict[str, list[dict[str, Any]]] = json.loads(run(["nft", "-j", "list", *words]).stdout)
    return answer["nftables"]


def _dropping_chains() -> Iterator[str]:
    for entry in _listed("chains"):
        chain = entry.get("chain", {})
        if (chain.get("hook"), chain.get("policy")) != ("forward", "drop"):
            continue
        if chain["family"] in ("ip", "inet"):
            yield f"{chain['family']} {chain['table']} {chain['name']}"


def _ours(comment: str) -> Iterator[tuple[str, int]]:
    for entry in _listed("ruleset"):
        rule = entry.get("rule", {})
        if rule.get("comment") == comment:
            yield f"{rule['family']} {rule['table']} {rule['chain']}", rule["handle"]


def let_pass(bridge: str, comment: str) -> None:
    """Accept what comes from and goes to ``bridge``, in every chain that would drop it."""
    done = {chain for chain, _ in _ours(comment)}
    lines = [
        f'insert rule {chain} {way} "{bridge}" accept comment "{comment}"\n'
        for chain in _dropping_chains()
        if chain not in done
        for way in ("iifname", "oifname")
    ]
    if lines:
        run(["nft", "-f", "-"], stdin="".join(lines))


def remove_rules(comment: str) -> None:
    """Remove what ``let_pass`` put there."""
    lines = [f"delete rule {chain} handle {handle}\n" for chain, handle in _ours(comment)]
    if lines:
        run(["nft", "-f", "-"], stdin="".join(lines))
