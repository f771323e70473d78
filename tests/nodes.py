"""A machine of a lab: all of it that a cluster touches."""

from tests.labs import Lab

# Where a machine that runs writes of itself, whether it is in a cluster or not.
LIVELY = [
    *("/tmp", "/root", "/var/cache", "/var/lib/apt", "/var/log/journal", "/var/lib/systemd"),
    "/var/lib/containerd",
]
RULES = 'for p in iptables ip6tables; do $p-save | sed "s/^/$p /"; done'


def node_state(lab: Lab, node: str) -> dict[str, set[str]]:
    """All of a machine that a cluster touches."""
    pruned = " -o ".join(f"-path {path}" for path in LIVELY)
    questions = {
        "links": "ls /sys/class/net",
        "routes": "ip route; ip -6 route",
        "rules": RULES,
        "sets": "ipset list -name",
        # Docker keeps a handle on the host's own network once it was used by a container.
        "mounts": "findmnt -rno TARGET,FSTYPE | grep -v ^/run/docker/netns/default",
        "processes": "ps -eo comm=",
        # The lock belongs to iptables: whoever calls it makes it.
        "files": f"find / -xdev \\( {pruned} \\) -prune -o -print;"
        " ls /run /var/lib/kubelet | grep -v xtables.lock",
        "containers": "docker ps -aq",
        "slices": "systemctl list-units --plain --no-legend --type=slice 'kube*'",
    }
    found = {kind: set(lab.ssh(node, asked).splitlines()) for kind, asked in questions.items()}
    # Not the chains of the kernel itself: their tables stay, empty.
    found["rules"] = {x for x in found["rules"] if " -A " in x or " - [" in x}
    return found


def changes_of_node(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    new = [f"new {kind}: {x}" for kind in before for x in after[kind] - before[kind]]
    return new + [f"gone {kind}: {x}" for kind in before for x in before[kind] - after[kind]]
