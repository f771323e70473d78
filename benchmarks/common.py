"""What benchmarks share: labs of their own, commands by the clock, ratios, and figures on disk."""

import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]
RESULTS = PROJECT / "benchmarks/results"
KUBELAB = str(PROJECT / ".venv/bin/kubelab")
SCRATCH = PROJECT / ".lab-bench"
LABS = SCRATCH / "labs"
ENV = {**os.environ, "KUBELAB_HOME": str(LABS)}
# Where kubectl keeps what it was given to apply.
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# The network of the labs that are made here, as their addresses begin.
NETWORK = "10.79.0."
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
# How often kubelet looks: kubelab's own choice, which somebody with a script does not make.
LOOKS = ("nodeStatusUpdateFrequency", "nodeStatusReportFrequency", "syncFrequency")
SAME_LOOKS = os.environ.get("BENCH_LOOKS") == "1"


def timed(*argv: str, seconds: float = 900, **more: object) -> tuple[float, str]:
    """Run a command to its end, in ``seconds`` at most; how long it took, and what it printed."""
    begin = time.monotonic()
    done = subprocess.run(
        argv,
        **{"env": ENV, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.monotonic() - begin, done.stdout


def kubelab(*words: str) -> tuple[float, str]:
    """Run kubelab; how long it took, and what it printed."""
    return timed(KUBELAB, *words)


def on_node(lab: str, node: str, *words: str) -> str:
    """What a command on a node of a lab printed."""
    # ssh gives its words to a shell as one line.
    return kubelab("ssh", "--name", lab, node, "--", shlex.join(words))[1]


def applied(lab: str) -> str:
    """All that was applied to the cluster of a lab, as one document for `kubectl apply`.

    kubectl keeps on each object what it was given, so no template of a role is rendered here.
    """

    def ask(*words: str) -> str:
        return kubelab("kubectl", "--name", lab, "--", *words)[1]

    kinds = ask("api-resources", "--verbs=list", "-o", "name").split()
    found = json.loads(ask("get", ",".join(kinds), "--all-namespaces", "-o", "json"))["items"]
    notes = [item["metadata"].get("annotations", {}).get(APPLIED) for item in found]
    # Deduplicated: some objects are served by two API groups.
    objects = [json.loads(note) for note in dict.fromkeys(notes) if note]
    objects.sort(key=lambda item: item["kind"] not in ("Namespace", "CustomResourceDefinition"))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=1)


def by_default(configuration: str) -> str:
    """A configuration of kubeadm or kubelet without kubelab's choice of how often kubelet looks."""
    documents = list(yaml.safe_load_all(configuration))
    for document in documents if not SAME_LOOKS else []:
        for key in LOOKS:
            document.pop(key, None)
    return yaml.safe_dump_all(documents)


def write_spec(name: str, changes: Mapping[str, object] | None = None) -> Path:
    """A spec like profiles/embedded.yml, with a network of its own and without a dashboard.

    The bare script has none.
    """
    text = (PROJECT / "profiles/embedded.yml").read_text().replace("10.77.0.", NETWORK)
    SCRATCH.mkdir(exist_ok=True)
    path = SCRATCH / f"{name}.yml"
    own = {"name": name, "dashboard": "none", **(changes or {})}
    path.write_text(yaml.safe_dump(yaml.safe_load(text) | own))
    return path


def destroy(name: str) -> None:
    """Destroy a lab, if it is there."""
    if (LABS / name).exists():
        kubelab("destroy", "--yes", "--name", name)


@contextmanager
def gone_after(name: str) -> Iterator[None]:
    """Whatever happens, nothing of the lab stays, and no file of the benchmark's."""
    try:
        yield
    finally:
        destroy(name)
        shutil.rmtree(SCRATCH, ignore_errors=True)


def machine() -> dict[str, object]:
    """The machine that figures come from."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cpuinfo if "model name" in line), "?")
    return {
        "cpus": os.cpu_count(),
        "cpu": model,
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
    }


def commit() -> str:
    """The commit that figures are of; "-dirty" where files differ from it."""
    words = ("git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--exclude=*")
    return subprocess.run(words, check=False, capture_output=True, text=True).stdout.strip()


def summary(name: str, ratios: Sequence[float], ask: float | None = None) -> str:
    """The line that a benchmark ends with; ``ask`` is the most that the median may be."""
    middle = statistics.median(ratios)
    line = f"ratio {middle:.2f} ({min(ratios):.2f}..{max(ratios):.2f} of {len(ratios)})  {name}"
    if ask is None:
        return line
    return f"{line}, asked: at most {ask:g}, {'met' if middle <= ask else 'missed'}"


def save(name: str, figures: dict[str, object]) -> Path:
    """Write the figures of one run as JSON, with the machine and the time."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    about = {"machine": machine(), "commit": commit(), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    document = {**about, **figures}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
