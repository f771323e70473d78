"""`kubelab node rejoin` against a bare `kubeadm join` on the same machine, in pairs, and a reset.

BENCH_PAIRS (3) says how many. Both sides end when the API says that the node is Ready.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import PROJECT, save, summary

KUBELAB = str(PROJECT / ".venv/bin/kubelab")
SCRATCH = PROJECT / ".lab-bench"
SPEC = SCRATCH / "node.yml"
ENV = {**os.environ, "KUBELAB_HOME": str(SCRATCH / "labs")}
NODE = "worker1"
NAME = ("--name", "benchnode")


def kubelab(*words: str) -> tuple[float, str]:
    """Run kubelab; seconds, and what it printed on stdout."""
    begin = time.monotonic()
    done = subprocess.run(
        [KUBELAB, *words],
        env=ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode != 0:
        sys.exit(f"kubelab {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - begin, done.stdout


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
    SCRATCH.mkdir(exist_ok=True)
    spec = (PROJECT / "profiles/embedded.yml").read_text().replace("10.77.0.", "10.79.0.")
    SPEC.write_text(spec.replace("name: embedded", "name: benchnode"))
    ours, theirs, resets = [], [], []
    try:
        kubelab("up", "-f", str(SPEC))
        for number in range(int(os.environ.get("BENCH_PAIRS", "3"))):
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            ours.append(kubelab("node", "rejoin", NODE, *NAME)[0])
            resets.append(kubelab("node", "reset", NODE, *NAME)[0])
            theirs.append(bare_join())
            said = (
                f"rejoin {ours[-1]:.1f} s, bare join {theirs[-1]:.1f} s, reset {resets[-1]:.1f} s"
            )
            print(f"pair {number + 1}: {said}", flush=True)
    finally:
        if (Path(ENV["KUBELAB_HOME"]) / "benchnode").exists():
            kubelab("destroy", "--yes", *NAME)
        shutil.rmtree(SCRATCH, ignore_errors=True)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    figures = {"ours": ours, "theirs": theirs, "resets": resets, "ratios": ratios}
    save("node", figures)
    print(f"drain and reset: {statistics.median(resets):.1f} s")
    print(summary("kubelab node rejoin / bare kubeadm join", ratios))


if __name__ == "__main__":
    main()
