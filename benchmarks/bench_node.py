"""`kubelab node rejoin` against a bare `kubeadm join` on the same machine, in pairs, and a reset.

BENCH_PAIRS (3) says how many. Both sides end when the API says that the node is Ready.
"""

import statistics
import time

from common import PAIRS, gone_after, kubelab, save, summary, write_spec

LAB = "benchnode"
NODE = "worker1"
NAME = ("--name", LAB)


def bare_join() -> float:
    """Seconds of what a person types: a token, the join, and waiting for Ready."""
    begin = time.monotonic()
    command = ("kubeadm", "token", "create", "--ttl", "15m", "--print-join-command")
    join = kubelab("ssh", *NAME, "master", "--", *command)[1].strip().splitlines()[-1]
    ignored = "--ignore-preflight-errors=SystemVerification"
    kubelab("ssh", *NAME, NODE, "--", f"{join} {ignored} --node-name {NODE}")
    ready = ("wait", "--for=condition=Ready", "--timeout=180s", f"node/{NODE}")
    kubelab("kubectl", *NAME, "--", *ready)
    return time.monotonic() - begin


def main() -> None:
    """Run the pairs."""
    ours, theirs, resets = [], [], []
    with gone_after(LAB):
        kubelab("up", "-f", str(write_spec(LAB)))
        for number in range(PAIRS):
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            ours.append(kubelab("node", "rejoin", NODE, *NAME)[0])
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            theirs.append(bare_join())
            said = (
                f"rejoin {ours[-1]:.1f} s, bare join {theirs[-1]:.1f} s, reset {resets[-1]:.1f} s"
            )
            print(f"pair {number + 1}: {said}", flush=True)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    figures = {"ours": ours, "theirs": theirs, "resets": resets, "ratios": ratios}
    save("node", figures)
    print(f"drain and reset: {statistics.median(resets):.1f} s")
    print(summary("kubelab node rejoin / bare kubeadm join", ratios))


if __name__ == "__main__":
    main()
