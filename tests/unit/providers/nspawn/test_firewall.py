"""Which chains of a firewall stop a lab, from what nft tells; tests/machine has real rules."""

import json

import pytest

from provisioner.errors import CommandError, HostError
from provisioner.providers.nspawn import firewall
from provisioner.shell import Result

ESTABLISHED = {
    "match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}
}
ACCEPT, DROP, REJECT = {"accept": None}, {"drop": None}, {"reject": {"type": "icmp"}}


def link(key, name, op="=="):
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": name}}


def address(value):
    left = {"payload": {"protocol": "ip", "field": "daddr"}}
    return {"match": {"op": "==", "left": left, "right": value}}


class FakeNft:
    """Keeps rules as nft does: a script is one transaction, a rule has a handle."""

    def __init__(self) -> None:
        self.chains: list[dict] = []
        self.rules: list[dict] = []
        self.scripts = 0
        self.owned = False
        self.asked: list[list[str]] = []

    def chain(self, name, *rules, policy="accept", hook="forward", family="ip", table="filter"):
        facts = {"family": family, "table": table, "name": name}
        if hook:
            facts |= {"type": "filter", "hook": hook, "policy": policy}
        self.chains.append(facts)
        for expr in rules:
            place = {"family": family, "table": table, "chain": name}
            self.rules.append({**place, "handle": len(self.rules) + 1, "expr": list(expr)})

    def run(self, argv, *, check=True, stdin=""):
        if argv[1] == "-j":
            shown = [{"chain": c} for c in self.chains] + [{"rule": r} for r in self.rules]
            return Result(tuple(argv), 0, json.dumps({"nftables": [{"metainfo": {}}, *shown]}), "")
        if argv[0] == "firewall-cmd":
            self.asked.append(argv[1:])
            return Result(tuple(argv), 0, "success", "")
        if self.owned:
            return Result(tuple(argv), 1, "", "Error: Could not process rule: not permitted")
        self.scripts += 1
        for line in stdin.splitlines():
            verb, _, family, table, chain, *rest = line.split()
            if verb == "insert":
                expr = [link(rest[0], rest[1].strip('"')), ACCEPT]
                rule = {"family": family, "table": table, "chain": chain, "expr": expr}
                comment = rest[-1].strip('"')
                handle = len(self.rules) + 100 + self.scripts
                self.rules.insert(0, {**rule, "handle": handle, "comment": comment})
            else:
                self.rules = [rule for rule in self.rules if rule["handle"] != int(rest[1])]
        return Result(tuple(argv), 0, "", "")

    @property
    def opened(self):
        return [f"{rule['table']} {rule['chain']}" for rule in self.rules if "comment" in rule]


@pytest.fixture
def nft(monkeypatch):
    fake = FakeNft()
    monkeypatch.setattr(firewall, "run", fake.run)
    monkeypatch.setattr(firewall.shutil, "which", lambda name: None)
    return fake


def pass_lab():
    firewall.let_pass("kl-1", "kubelab-1", dns=False)


@pytest.mark.parametrize(
    ("rules", "policy"),
    [
        ([], "drop"),
        ([[ESTABLISHED, ACCEPT], [REJECT]], "accept"),
        (
            [
                [ESTABLISHED, ACCEPT],
                [{"counter": {}}, {"xt": {"type": "target", "name": "REJECT"}}],
            ],
            "accept",
        ),
        ([[link("oifname", "eth0", "!="), DROP]], "accept"),
        ([[link("iifname", "kl-*"), DROP]], "accept"),
        ([[link("iifname", "eth0"), ACCEPT], [DROP]], "accept"),
        ([[{"jump": {"target": "zones"}}]], "accept"),
    ],
    ids=["policy", "reject", "iptables", "not eth0", "pattern", "exception", "jump"],
)
def test_chains_that_stop_a_lab_are_passed(nft, rules, policy):
    nft.chain("FORWARD", *rules, policy=policy)
    nft.chain(
        "zones",
        [link("iifname", "up0"), {"goto": {"target": "public"}}],
        [{"goto": {"target": "public"}}],
        hook="",
    )
    nft.chain("public", [REJECT], hook="")
    pass_lab()
    assert nft.opened == ["filter FORWARD"] * 2
    pass_lab()
    assert len(nft.opened) == 2
    assert nft.scripts == 1


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [[address("192.0.2.9"), DROP]],
        [[link("iifname", "virbr0"), REJECT], [link("oifname", "virbr0"), REJECT]],
        [[{"limit": {"rate": 1}}, DROP]],
        [[{"xt": {"type": "match", "name": "set"}}, DROP]],
        [[{"xt": None}, DROP]],
        [[ESTABLISHED, DROP]],
        [[{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", DROP]]}}}]],
        [[ACCEPT], [DROP]],
        [[{"jump": {"target": "docker"}}]],
        [[{"goto": {"target": "docker"}}], [REJECT]],
    ],
)
def test_exceptions_of_a_firewall_are_left_alone(nft, rules):
    nft.chain("FORWARD", *rules)
    nft.chain("docker", [{"return": None}], [DROP], hook="")
    pass_lab()
    assert nft.opened == []


def test_other_hooks_families_and_labs_are_left_alone(nft):
    nft.chain("INPUT", policy="drop", hook="input")
    nft.chain("FORWARD", policy="drop", family="ip6")
    nft.chain("forward", [link("oifname", "kl-1"), DROP], table="kubelab-1")
    pass_lab()
    assert nft.opened == []


def test_an_input_that_is_closed_is_passed_where_this_host_answers_for_names(nft):
    nft.chain("INPUT", [ESTABLISHED, ACCEPT], policy="drop", hook="input")
    (found,) = firewall.closed_to("kl-1", dns=True)
    assert found[0] == ("ip", "filter", "INPUT")
    assert all("dport 53" in rule for rule in found[1])


def test_only_the_labs_own_rules_are_removed(nft):
    nft.chain("FORWARD", policy="drop")
    mine = {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 3, "comment": "mine"}
    nft.rules.append(mine)
    pass_lab()
    firewall.let_pass("kl-2", "kubelab-2", dns=False)
    assert firewall.passed("kubelab-1") == [("ip", "filter", "FORWARD")]
    firewall.remove_rules("kl-1", "kubelab-1")
    comments = sorted(rule["comment"] for rule in nft.rules)
    assert comments == ["kubelab-2", "kubelab-2", "mine"]


def test_firewalld_is_asked_where_nobody_else_may_change_its_table(nft, monkeypatch):
    nft.chain("filter_FORWARD", [REJECT], family="inet", table="firewalld")
    nft.owned = True
    with pytest.raises(HostError) as refused:
        pass_lab()
    assert refused.value.brief.endswith("inet firewalld filter_FORWARD")
    assert "not permitted" in refused.value.details
    monkeypatch.setattr(firewall.shutil, "which", lambda name: f"/usr/bin/{name}")
    pass_lab()
    firewall.remove_rules("kl-1", "kubelab-1")
    zone = "--zone=trusted"
    assert nft.asked == [[zone, "--add-interface=kl-1"], [zone, "--remove-interface=kl-1"]]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("-P FORWARD ACCEPT\n", ""),
        ("-P FORWARD DROP\n", "-P FORWARD DROP"),
        ("-P FORWARD ACCEPT\n-A FORWARD -j REJECT --reject-with x\n", "-A FORWARD -j REJECT"),
        ("-P FORWARD ACCEPT\n-A FORWARD -d 192.0.2.9 -j DROP\n", ""),
    ],
)
def test_the_older_iptables_is_asked_as_well(monkeypatch, tmp_path, rules, said):
    monkeypatch.setattr(firewall, "LEGACY", tmp_path / "names")
    assert firewall.legacy_closed() == ""
    firewall.LEGACY.write_text("filter\n")
    monkeypatch.setattr(firewall, "run", lambda argv, check: Result(argv, 0, rules, ""))
    assert firewall.legacy_closed().startswith(said)
    assert bool(firewall.legacy_closed()) == bool(said)


def test_a_host_without_that_iptables_is_no_error(monkeypatch, tmp_path):
    def missing(argv, check):
        raise CommandError("iptables-legacy: no such program on this host")

    monkeypatch.setattr(firewall, "LEGACY", tmp_path / "names")
    firewall.LEGACY.write_text("filter\n")
    monkeypatch.setattr(firewall, "run", missing)
    assert firewall.legacy_closed() == ""
