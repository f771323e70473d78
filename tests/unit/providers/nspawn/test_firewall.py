"""Rules in a firewall that drops what it does not know, against a written stand-in for nft."""

import json

import pytest

from provisioner.providers.nspawn import firewall
from provisioner.shell import Result

CHAINS = [
    {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"},
    {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"},
    {"family": "ip", "table": "calm", "name": "forward", "hook": "forward", "policy": "accept"},
    {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"},
    {"family": "ip", "table": "filter", "name": "DOCKER"},
]


class FakeNft:
    """Keeps rules as nft does: a script is one transaction, a rule has a handle."""

    def __init__(self) -> None:
        self.rules: list[dict] = []
        self.scripts = 0

    def run(self, argv, *, stdin=""):
        if argv[1] == "-j":
            kinds = {"chains": ("chain", CHAINS), "ruleset": ("rule", self.rules)}
            kind, entries = kinds[argv[3]]
            shown = [{"metainfo": {"version": "1.0.6"}}, *({kind: entry} for entry in entries)]
            return Result(tuple(argv), 0, json.dumps({"nftables": shown}), "")
        self.scripts += 1
        for line in stdin.splitlines():
            verb, _, family, table, chain, *rest = line.split()
            if verb == "insert":
                rule = {"family": family, "table": table, "chain": chain}
                comment = rest[-1].strip('"')
                self.rules.append({**rule, "handle": len(self.rules) + 7, "comment": comment})
            else:
                self.rules = [rule for rule in self.rules if rule["handle"] != int(rest[1])]
        return Result(tuple(argv), 0, "", "")


@pytest.fixture
def nft(monkeypatch):
    fake = FakeNft()
    monkeypatch.setattr(firewall, "run", fake.run)
    return fake


def test_only_chains_that_drop_forwarded_packets_are_opened(nft):
    firewall.let_pass("kl-1", "kubelab-1")
    places = [(rule["family"], rule["table"], rule["chain"]) for rule in nft.rules]
    assert places == [("ip", "filter", "FORWARD")] * 2


def test_opening_twice_adds_nothing(nft):
    firewall.let_pass("kl-1", "kubelab-1")
    firewall.let_pass("kl-1", "kubelab-1")
    assert len(nft.rules) == 2
    assert nft.scripts == 1


def test_only_the_labs_own_rules_are_removed(nft):
    nft.rules.append(
        {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 3, "comment": "mine"}
    )
    firewall.let_pass("kl-1", "kubelab-1")
    firewall.let_pass("kl-2", "kubelab-2")
    firewall.remove_rules("kubelab-1")
    assert sorted(rule["comment"] for rule in nft.rules) == ["kubelab-2", "kubelab-2", "mine"]
