"""Which combinations of versions can work, and why others cannot: rules as data with sources.

A rule has conditions on facts, and refuses a combination that meets all of them. Facts are
strings: versions are compared as versions (``>=1.35``), other facts for equality.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

Facts = Mapping[str, str]
"""The known facts of a combination, by the names in ``FACTS``; facts may be missing."""

FACTS = {
    "os": "operating system",
    "kernel": "kernel",
    "cgroup": "cgroup version",
    "python": "Python of the machines",
    "iptables": "kind of iptables",
    "kubernetes": "Kubernetes",
    "kubeadm_api": "kubeadm configuration",
    "runtime": "runtime",
    "docker": "docker",
    "cri": "CRI shim",
    "cni_version": "newest CNI version of kubelet",
    "cni_plugin": "oldest CNI version of the pod network",
    "coredns": "CoreDNS",
    "kubernetes-dashboard": "Kubernetes Dashboard",
    "weave": "Weave",
    "weave_iptables": "Weave's iptables_backend",
    "ansible_core": "ansible-core",
}
# Facts that follow from the operating system. Messages name the operating system instead.
OS_FACTS = {"os", "kernel", "cgroup", "python", "iptables"}


@dataclass(frozen=True)
class Rule:
    """A combination that cannot work. ``fact`` is the fact to change, ``instead`` its new value."""

    when: Facts
    why: str
    source: str
    fact: str = "kubernetes"
    instead: str = ""


LEGACY = {"iptables": "legacy"}
OSES: Mapping[str, Facts] = {
    "centos7": {"kernel": "3.10", "cgroup": "1", "python": "2.7", "docker": "26.1.4"} | LEGACY,
    "debian11": {"kernel": "5.10", "cgroup": "2", "python": "3.9", "docker": "20.10.5"},
    "debian12": {"kernel": "6.1", "cgroup": "2", "python": "3.11", "docker": "20.10.24"},
    "rocky9": {"kernel": "5.14", "cgroup": "2", "python": "3.9"},
}
"""The facts of each known operating system."""

SUITES = {"bullseye": "debian11", "bookworm": "debian12"}
"""The operating system of each Debian suite, for boxes that kubelab builds."""

RULES = (
    Rule(
        {"cgroup": "==1", "kubernetes": ">=1.35"},
        "kubelet 1.35 and later refuses cgroup v1",
        "kubernetes/kubernetes#134298, KEP-5573",
    ),
    Rule(
        {"kernel": "<4.19", "kubernetes": ">=1.32,<1.34"},
        "kubeadm 1.32 and 1.33 refuse a kernel older than 4.19",
        "kubernetes/kubernetes#131881, #131919",
    ),
    Rule(
        {"cri": "dockershim", "kubernetes": ">=1.24"},
        "kubelet 1.24 and later has no dockershim",
        "Kubernetes 1.24 release notes, KEP-2221",
        "cri",
        "cri-dockerd",
    ),
    Rule(
        {"kubeadm_api": "v1beta4", "kubernetes": "<1.31"},
        "kubeadm reads v1beta4 from 1.31 on",
        "Kubernetes 1.31 release notes",
        "kubeadm_api",
        "kubeadm.k8s.io/v1beta3",
    ),
    Rule(
        {"kubeadm_api": "v1beta3", "kubernetes": "<1.22"},
        "kubeadm reads v1beta3 from 1.22 on",
        "kubernetes/kubernetes#101129, #107013",
        "kubeadm_api",
        "kubeadm.k8s.io/v1beta2",
    ),
    Rule(
        {"kubeadm_api": "v1beta2", "kubernetes": ">=1.27"},
        "kubeadm 1.27 and later does not read v1beta2",
        "kubernetes/kubernetes#114540",
        "kubeadm_api",
        "kubeadm.k8s.io/v1beta3",
    ),
    Rule(
        {"coredns": ">=1.11", "kubernetes": "<1.21"},
        "CoreDNS 1.11 and later needs EndpointSlice v1, which Kubernetes has from 1.21 on",
        "coredns/coredns#6147",
        "coredns",
        "1.10.1",
    ),
    Rule(
        {"cni_plugin": ">0.4.0", "cni_version": "<=0.4.0"},
        "libcni 0.8 of kubelet 1.20 to 1.23 reads results of CNI 0.4.0 at most",
        "containernetworking/cni v0.8.0, pkg/version: unsupported CNI result version",
        "cni_plugin",
        "flannel",
    ),
    Rule(
        {"cni_plugin": ">1.0.0", "cni_version": "<=1.0.0"},
        "libcni 1.1 of cri-dockerd reads results of CNI 1.0.0 at most",
        "containernetworking/cni v1.1.2, pkg/version; go.mod of cri-dockerd v0.3.24",
        "cni_plugin",
        "flannel",
    ),
    Rule(
        {"kubernetes-dashboard": ">=2.6.1", "kubernetes": "<1.21"},
        "Kubernetes Dashboard 2.6.1 and later lists CronJobs of batch/v1, which Kubernetes has"
        " from 1.21 on: its first page is an error",
        "Kubernetes 1.21 release notes, kubernetes/dashboard v2.6.1",
        "kubernetes-dashboard",
        "2.6.0, headlamp or kube-web-view",
    ),
    Rule(
        {"os": "centos7", "docker": ">=27"},
        "docker 27 and later was never built for CentOS 7",
        "docker/docker-ce-packaging#1028",
        "docker",
        "26.1.4",
    ),
    Rule(
        {"os": "centos7", "runtime": "containerd"},
        "the runc of containerd's own releases does not start on CentOS 7",
        "containerd/containerd#8021",
        "runtime",
        "docker",
    ),
    Rule(
        {"os": "centos7", "weave": ">=2.9"},
        "Weave 2.9 writes nft rules, which iptables of CentOS 7 does not read",
        "rajch/weave#20",
        "weave",
        "2.8.10",
    ),
    Rule(
        {"iptables": "legacy", "weave_iptables": "nft"},
        "rules of nft and of the system's own iptables do not see each other there",
        "kubernetes/kubernetes#92250",
        "weave_iptables",
        "legacy",
    ),
    Rule(
        {"python": "<3.7", "ansible_core": ">=2.17"},
        "ansible-core 2.17 and later needs Python 3.7 on a target",
        "ansible-core 2.17 porting guide",
        "ansible_core",
        "2.16",
    ),
)


@dataclass(frozen=True)
class Conflict:
    """A rule that a combination breaks; ``instead`` is a value that works, empty if none does."""

    rule: Rule
    facts: Facts
    instead: str

    def __str__(self) -> str:
        """One sentence: the conflicting values, the reason, and what to use instead."""
        own = [name for name in self.rule.when if name not in OS_FACTS]
        subject = " with ".join(f"{FACTS[name]} {self.facts[name]}" for name in own)
        on_os = len(own) < len(self.rule.when)
        where = f" on {self.facts.get('os', 'this OS')}" if on_os else ""
        ways = [f"use {self.instead}"] if self.instead else []
        ways += ["another OS" if ways else "use another OS"] if on_os else []
        return f"{subject}{where}: {self.rule.why}; {', or '.join(ways) or 'nothing here works'}"


def meets(fact: str, condition: str) -> bool:
    """Whether a fact is as a condition says: a range of versions, or a word."""
    try:
        return SpecifierSet(condition).contains(Version(fact), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return fact.rpartition("/")[2] == condition


def broken_by(facts: Facts) -> list[Rule]:
    """The rules that a combination breaks; a rule about a missing fact is not broken."""
    return [
        rule
        for rule in RULES
        if all(name in facts and meets(facts[name], rule.when[name]) for name in rule.when)
    ]


def _nearest(facts: Facts, offered: Collection[str]) -> str:
    """The offered version of Kubernetes that breaks no rule and is closest to the wanted one."""

    def distance(version: str) -> tuple[int, Version]:
        wanted, here = Version(facts["kubernetes"]), Version(version)
        return abs(wanted.minor - here.minor), here

    working = [v for v in offered if not broken_by({**facts, **follows(v), "kubernetes": v})]
    return min(working, key=distance, default="")


def follows(kubernetes: str) -> dict[str, str]:
    """The facts that follow by default from a version of Kubernetes.

    Raises:
        ValueError: ``kubernetes`` is not a version number.
    """
    version = Version(kubernetes)
    apis = (("1.31", "v1beta4"), ("1.22", "v1beta3"), ("0", "v1beta2"))
    api = next(name for since, name in apis if version >= Version(since))
    shim = "dockershim" if version < Version("1.24") else "cri-dockerd"
    cni = "0.4.0" if shim == "dockershim" else "1.0.0"
    return {"kubeadm_api": f"kubeadm.k8s.io/{api}", "cri": shim, "cni_version": cni}


def conflicts_of(facts: Facts, offered: Collection[str]) -> Iterator[Conflict]:
    """The conflicts of a combination; ``offered`` are the available versions of Kubernetes."""
    for rule in broken_by(facts):
        yield Conflict(rule, facts, rule.instead or _nearest(facts, offered))


def broken_on(os: str, kubernetes: str) -> list[Rule]:
    """The rules that a version of Kubernetes with docker breaks on an OS; empty if it works."""
    chosen = {"os": os, "kubernetes": kubernetes, "runtime": "docker"}
    return broken_by({**OSES[os], **chosen, **follows(kubernetes)})


LINES = tuple(f"1.{minor}" for minor in range(20, 38))
"""The minor versions of Kubernetes that the matrix shows."""


def matrix() -> dict[str, dict[str, str]]:
    """Why a minor version of Kubernetes cannot work, by OS and version; empty if it can."""
    return {
        os: {line: "; ".join(rule.why for rule in broken_on(os, line)) for line in LINES}
        for os in OSES
    }


PAGE = """\
# Compatibility

Written by `make docs` from `provisioner/compat.py`; `kubelab compat` prints the same. A spec that
breaks a rule is refused before anything is changed, with exit code 2, the reason, and the nearest
version that works. "Possible" means that no known rule refuses it; [tested.md](tested.md) lists
the tested combinations.

## Kubernetes with docker, by operating system

{matrix}

From 1.24 on kubelet reaches docker through cri-dockerd. The operating systems contain:

{oses}

## The rules

{rules}
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page() -> str:
    """The page of the documentation, in Markdown."""
    by_os = matrix()
    facts = ("kernel", "cgroup", "python", "docker")
    return PAGE.format(
        matrix=_table(
            ("Kubernetes", *OSES),
            [(line, *(by_os[o][line] or "possible" for o in OSES)) for line in LINES],
        ),
        oses=_table(("", *facts), [(o, *(OSES[o].get(f, "") for f in facts)) for o in OSES]),
        rules=_table(
            ("combination", "reason", "use", "source"),
            [
                (
                    ", ".join(f"{FACTS[name]} `{rule.when[name]}`" for name in rule.when),
                    *(rule.why, rule.instead or "another version", rule.source),
                )
                for rule in RULES
            ],
        ),
    )
