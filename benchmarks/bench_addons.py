"""What a pod network, or a dashboard, adds to `kubelab up`, against the leanest choice, in one run.

BENCH_RUNS (3) says how often each is brought up. An `up` ends when the cluster is ready,
DNS included.
"""

import statistics

from common import RUNS, destroy, gone_after, kubelab, save, summary, write_spec

LAB = "benchaddons"
# A part of a spec, by what is said of it. The first one is what the others are compared with.
VARIANTS = {
    "bridge": {"cni": {"name": "bridge"}},
    "flannel": {"cni": {"name": "flannel"}},
    "bridge and kube-web-view": {"cni": {"name": "bridge"}, "dashboard": "kube-web-view"},
}


def up(changes: dict[str, object]) -> float:
    """Seconds of `up` on machines that start from nothing, artifacts in the cache."""
    file = str(write_spec(LAB, changes))
    kubelab("artifacts", "build", "-f", file)
    seconds = kubelab("up", "-f", file)[0]
    destroy(LAB)
    return seconds


def main() -> None:
    """Run the rounds, and tell what each adds."""
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with gone_after(LAB):
        for number in range(RUNS):
            for name, changes in VARIANTS.items():
                seconds[name].append(up(changes))
                print(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    lean, *others = VARIANTS
    ratios = {
        name: [a / b for a, b in zip(seconds[name], seconds[lean], strict=True)] for name in others
    }
    save("addons", {"lean": lean, "seconds": seconds, "ratios": ratios})
    for name in others:
        added = [a - b for a, b in zip(seconds[name], seconds[lean], strict=True)]
        span = f"{min(added):+.1f}..{max(added):+.1f} of {len(added)}"
        print(f"{name}: {statistics.median(added):+.1f} s ({span})")
        print(summary(f"up with {name} / up with {lean}", ratios[name]))


if __name__ == "__main__":
    main()
