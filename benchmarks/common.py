"""What benchmarks share: pairs, ratios, and figures on disk."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
RESULTS = PROJECT / "benchmarks/results"


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


def summary(name: str, ratios: Sequence[float]) -> str:
    """The line that a benchmark ends with."""
    middle = statistics.median(ratios)
    return f"ratio {middle:.2f} ({min(ratios):.2f}..{max(ratios):.2f} of {len(ratios)})  {name}"


def save(name: str, figures: dict[str, object]) -> Path:
    """Write the figures of one run as JSON, with the machine and the time."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {"machine": machine(), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **figures}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
