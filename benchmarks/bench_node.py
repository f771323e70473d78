"""`kubelab node rejoin` against a bare `kubeadm join` on the same machine, in pairs, and a reset.

BENCH_RUNS (3) says how many. Both sides end when the API says that the node is Ready. The kubelet
of the bare join looks at its node as often as kubeadm has it do; with BENCH_LOOKS=1 as often as the
lab's.
"""

import json
import shlex
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible.parsing.dataloader import DataLoader
from common import LABS, RUNS, by_default, gone_after, kubelab, save, summary, timed, write_spec

LAB = "benchnode"
NODE = "worker1"
NAME = ("--name", LAB)


def by_hand(node: str, *words: str) -> str:
    """What a command printed that was typed by ssh, without kubelab."""
    cluster = DataLoader().load_from_file(str(LABS / LAB / "inventory.yml"))["cluster"]
    known = cluster["vars"]
    hosts = {k: v for kind in cluster["children"].values() for k, v in kind["hosts"].items()}
    to = f"{known['ansible_user']}@{hosts[node]['ansible_host']}"
    options = shlex.split(known["ansible_ssh_common_args"])
    key = known["ansible_ssh_private_key_file"]
    return timed("ssh", "-i", key, *options, to, "--", *words)[1]


def ask(*words: str) -> str:
    """What kubectl printed."""
    return kubelab("kubectl", *NAME, "--", "-n", "kube-system", *words)[1]


@contextmanager
def kubeadm_defaults() -> Iterator[None]:
    """A node that joins meanwhile gets kubelet's configuration without kubelab's choices."""
    maps = ask("get", "configmap", "-o", "name").split()
    name = next(name for name in maps if name.startswith("configmap/kubelet-config"))
    ours = ask("get", name, "-o", "jsonpath={.data.kubelet}")

    def put(text: str) -> None:
        ask("patch", name, "-p", json.dumps({"data": {"kubelet": text}}))

    put(by_default(ours))
    try:
        yield
    finally:
        put(ours)


def bare_join() -> float:
    """Seconds of what a person types: a token, the join, and waiting for Ready."""
    begin = time.monotonic()
    command = ("kubeadm", "token", "create", "--ttl", "15m", "--print-join-command")
    join = by_hand("master", *command).strip().splitlines()[-1]
    by_hand(NODE, f"{join} --ignore-preflight-errors=SystemVerification --node-name {NODE}")
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    by_hand("master", *kubectl, "wait", "--for=condition=Ready", "--timeout=180s", f"node/{NODE}")
    return time.monotonic() - begin


def main() -> None:
    """Run the pairs."""
    ours, theirs, resets = [], [], []
    with gone_after(LAB):
        kubelab("up", "-f", str(write_spec(LAB)))
        for number in range(RUNS):
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            ours.append(kubelab("node", "rejoin", NODE, *NAME)[0])
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            with kubeadm_defaults():
                theirs.append(bare_join())
            said = (
                f"rejoin {ours[-1]:.1f} s, bare join {theirs[-1]:.1f} s, reset {resets[-1]:.1f} s"
            )
            print(f"pair {number + 1}: {said}", flush=True)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    figures = {"ours": ours, "theirs": theirs, "resets": resets, "ratios": ratios}
    save("node", figures)
    print(f"drain and reset: {statistics.median(resets):.1f} s")
    print(summary("kubelab node rejoin / bare kubeadm join", ratios, 1.2))


if __name__ == "__main__":
    main()
