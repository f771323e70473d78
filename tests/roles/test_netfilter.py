"""What a pod network leaves in iptables and ipset goes: real rules in a network namespace."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.labs import PROJECT
from tests.skips import lacks

NAMESPACE = "kubelab-netfilter"
BIN = PROJECT / ".venv/bin"
pytestmark = pytest.mark.skipif(
    lacks("ipset")() or lacks("iptables-save")(), reason="no iptables or no ipset on this host"
)
# What Weave 2.8.10 left on a node, as iptables-save and ipset showed it after `node reset`.
LEFT_IN_FILTER = """\
-A INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 6784 -m addrtype ! --src-type LOCAL -m conntrack \
! --ctstate RELATED,ESTABLISHED -m comment --comment "Block non-local access to Weave Net control \
port" -j DROP
-A FORWARD -i weave -m comment --comment "must go before '-j KUBE-FORWARD'" -j WEAVE-NPC-EGRESS
-A FORWARD -o weave -m comment --comment "must go before '-j KUBE-FORWARD'" -j WEAVE-NPC
-A FORWARD -o weave -m state --state NEW -j NFLOG --nflog-group 86
-A FORWARD -o weave -j DROP
-A FORWARD -i weave ! -o weave -j ACCEPT
-A FORWARD -o weave -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"""
STRANGERS = """\
-A INPUT -i weave0 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 6784 -m comment --comment "mine, about Weave" -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
"""
RULES = f"""\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:WEAVE-NPC - [0:0]
:WEAVE-NPC-DEFAULT - [0:0]
:WEAVE-NPC-EGRESS - [0:0]
{LEFT_IN_FILTER}{STRANGERS}-A WEAVE-NPC -m state --state NEW -j WEAVE-NPC-DEFAULT
-A WEAVE-NPC-DEFAULT -m set --match-set weave-of-pods dst -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:WEAVE - [0:0]
-A POSTROUTING -j WEAVE
-A WEAVE -m set --match-set weaver-no-masq-local dst -j RETURN
COMMIT
"""
SETS = """\
create weave-of-pods hash:ip
add weave-of-pods 10.32.0.7
create weave-of-all list:set
add weave-of-all weave-of-pods
create weaver-no-masq-local hash:net
add weaver-no-masq-local 10.32.0.0/24
create mine hash:ip
"""


def inside(*words: str, text: str = "", check: bool = True) -> str:
    argv = ["ip", "netns", "exec", NAMESPACE, *words]
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def node() -> Iterator[None]:
    """A namespace with what a node had: Weave's rules and sets, and those of others."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        inside("ipset", "restore", text=SETS)
        inside("iptables-restore", text=RULES)
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


# A machine container does not see the modules of the kernel.
WITHOUT_MODULES = ("sh", "-c", 'mount -t tmpfs none /sys/module && exec "$@"', "sh")


def forget(network: str, folder: Path, before: tuple[str, ...] = ()) -> int:
    """The role, as the role cni calls it for a pod network; how many tasks changed something."""
    described = yaml.safe_load((PROJECT / f"roles/cni/vars/main/{network}.yml").read_text())
    found = described[f"cni_network_{network}"]
    variables = {
        "netfilter_chain_prefixes": found["chains"],
        "netfilter_rule_links": found["links"],
        "netfilter_rule_comments": found["comments"],
        "netfilter_set_prefixes": found["sets"],
        "ansible_python_interpreter": str(BIN / "python"),
    }
    play = [{"hosts": "localhost", "gather_facts": False, "roles": ["netfilter"]}]
    (folder / "play.yml").write_text(yaml.safe_dump(play))
    roles = f"ANSIBLE_ROLES_PATH={PROJECT / 'roles'}"
    words = ["-c", "local", "-i", "localhost,", "-e", json.dumps(variables)]
    said = inside(
        *before, "env", roles, str(BIN / "ansible-playbook"), *words, str(folder / "play.yml")
    )
    return int(re.search(r"changed=(\d+)", said)[1])


def rules() -> list[str]:
    return [line for line in inside("iptables-save").splitlines() if line.startswith("-A")]


@pytest.mark.parametrize("before", [(), WITHOUT_MODULES], ids=["a host", "a machine container"])
def test_nothing_of_weave_is_left_and_all_of_others(before, node, tmp_path):
    strangers = [line for line in rules() if line in STRANGERS.splitlines()]
    assert len(strangers) == 3
    assert len(rules()) == 3 + LEFT_IN_FILTER.count("-A") + 4
    assert forget("weave", tmp_path, before) == 2
    assert rules() == strangers
    assert "WEAVE" not in inside("iptables-save")
    assert inside("ipset", "list", "-name").split() == ["mine"]
    assert forget("weave", tmp_path, before) == 0


def test_another_network_takes_nothing_of_weave(node, tmp_path):
    before = rules()
    assert forget("flannel", tmp_path) == 0
    assert rules() == before
