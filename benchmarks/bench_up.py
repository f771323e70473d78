"""`kubelab up` with a warm cache against benchmarks/bare.sh, in pairs, in one run.

BENCH_RUNS (3) says how many. Prints the ratio, its spread and where the time goes, by phase. The
script's kubelets look at their nodes as often as kubeadm has them do; with BENCH_LOOKS=1 as often
as the lab's.
"""

import contextlib
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil
from common import (
    ENV,
    KUBELAB,
    LABS,
    NETWORK,
    PROJECT,
    RUNS,
    SCRATCH,
    applied,
    by_default,
    gone_after,
    on_node,
    save,
    summary,
    timed,
    write_spec,
)

LAB = "bench"
FOLDER = SCRATCH / "bare"
RENDERED = SCRATCH / "bare.rendered"
# The network of bare.sh, as its addresses begin.
THEIRS = "10.78.0."
UNITS = "/etc/systemd/system"
UNIT = f"{UNITS}/kubelab-machine.service"


def kubelab(*words: str) -> tuple[float, float, str]:
    """Run kubelab; seconds, the most memory of its own process (MiB), and what it printed."""
    begin, peak = time.monotonic(), 0
    with (SCRATCH / "kubelab.log").open("w+") as log:
        process = subprocess.Popen([KUBELAB, *words], env=ENV, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.05)
        seconds = time.monotonic() - begin
        log.seek(0)
        text = log.read()
    if process.returncode != 0:
        sys.exit(f"kubelab {' '.join(words)} failed:\n{text}")
    return seconds, peak / 2**20, text


def bare(action: str, root: str, artifacts: str) -> tuple[float, list[tuple[str, float]]]:
    """Run bare.sh; seconds, and when each of its phases began."""
    script = str(PROJECT / "benchmarks/bare.sh")
    seconds, said = timed(script, action, str(FOLDER), root, artifacts)
    marks = [line.split()[1:] for line in said.splitlines() if line.startswith("phase ")]
    return seconds, [(name, float(at)) for name, at in marks]


def take() -> None:
    """What the lab's master and its cluster were given, for bare.sh; outside of what is timed."""
    RENDERED.mkdir(exist_ok=True)
    files = {
        "kubeadm.yml": "/etc/kubeadm.yml",
        "machine.service": UNIT,
        "runc": "/usr/local/sbin/runc",
    }
    for name, path in files.items():
        # The wrapper of runc is only on machines of a host that wants it.
        text = on_node(LAB, "master", "sh", "-c", f"test ! -e {path} || cat {path}")
        text = text.replace(f"{NETWORK}10/", "@ADDRESS@/").replace(NETWORK, THEIRS)
        (RENDERED / name).write_text(by_default(text) if name == "kubeadm.yml" else text)
    masked = on_node(LAB, "master", "find", UNITS, "-lname", "/dev/null", "-printf", "%f\\n")
    (RENDERED / "masked").write_text(masked)
    # An object may name the API server, as that of flannel does.
    (RENDERED / "applied.json").write_text(applied(LAB).replace(NETWORK, THEIRS))


def phases_of(lab: Path) -> dict[str, float]:
    """Seconds by phase of the lab's last run."""
    run = max(lab.glob("run/*.jsonl"))
    events = [json.loads(line) for line in run.read_text().splitlines()]
    return {e["phase"]: e["seconds"] for e in events if not e["host"] and e["seconds"]}


class Figures:
    """What the pairs gave: seconds, MiB, and seconds by phase."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.again: list[float] = []
        self.memory: list[float] = []
        self.phases: dict[str, list[float]] = defaultdict(list)


def run_pair(figures: Figures, spec: str, artifacts: str) -> None:
    """One `up` of each, and kubelab's second `up`, on machines that start from nothing."""
    lab = LABS / LAB
    seconds, peak, _ = kubelab("up", "-f", spec)
    figures.ours.append(seconds)
    figures.memory.append(peak)
    for name, took in phases_of(lab).items():
        figures.phases[f"kubelab {name}"].append(took)
    figures.again.append(kubelab("up", "-f", spec)[0])
    root = str((lab / "machines/master/lower").resolve())
    take()
    kubelab("destroy", "--yes", "--name", LAB)
    seconds, marks = bare("up", root, artifacts)
    figures.theirs.append(seconds)
    for (name, begin), (_, end) in itertools.pairwise(marks):
        figures.phases[f"bare {name}"].append(end - begin)
    bare("down", root, artifacts)


def tell(figures: Figures) -> None:
    """Print and save what the pairs gave; the line with the ratio comes last."""
    ratios = [a / b for a, b in zip(figures.ours, figures.theirs, strict=True)]
    second = [b / a for a, b in zip(figures.ours, figures.again, strict=True)]
    for name, values in figures.phases.items():
        print(f"  {name:<24} {statistics.median(values):6.1f} s")
    save("up", {**vars(figures), "ratios": ratios, "second_ratios": second})
    print(summary("second up / full up", second, 0.12))
    print(f"memory of kubelab's own process: {max(figures.memory):.0f} MiB, asked: at most 120")
    print(summary("kubelab up / bare script", ratios, 0.8))


def main() -> None:
    """Run the pairs."""
    shutil.rmtree(RENDERED, ignore_errors=True)
    spec, figures = str(write_spec(LAB)), Figures()
    artifacts = json.loads(kubelab("artifacts", "build", "--json")[2].splitlines()[-1])["set"]
    with gone_after(LAB):
        try:
            for number in range(RUNS):
                run_pair(figures, spec, artifacts)
                print(
                    f"pair {number + 1}: kubelab {figures.ours[-1]:.1f} s, bare"
                    f" {figures.theirs[-1]:.1f} s, second up {figures.again[-1]:.1f} s",
                    flush=True,
                )
        finally:
            bare("down", "/", artifacts)
    tell(figures)


if __name__ == "__main__":
    main()
