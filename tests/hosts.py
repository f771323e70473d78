"""The host that tests run on: its state, and what changed of it."""

import json
import subprocess
import time
from pathlib import Path

import psutil

from provisioner.providers.nspawn.kernel import SETTINGS


def _is_machine(process: psutil.Process) -> bool:
    try:
        return "nspawn" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def host_state() -> dict[str, list[str]]:
    """All of this host that a lab touches and has to leave as it was."""

    def lines(*argv: str) -> list[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()

    mounts = list(Path("/proc/mounts").read_text().splitlines())
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob("*/kubelab")]
    # A zombie of this very test run is not a machine any more.
    processes = [p.name() for p in psutil.process_iter() if _is_machine(p)]
    return {
        "links": [link["ifname"] for link in json.loads("\n".join(lines("ip", "-j", "link")))],
        "routes": lines("ip", "route"),
        # Without counters: packets come and go.
        "rules": lines("nft", "--stateless", "list", "ruleset"),
        "mounts": mounts,
        "cgroups": groups,
        "processes": processes,
        "settings": [f"{s.name}={s.read()}" for s in SETTINGS if s.read() is not None],
    }


def changes_since(before: dict[str, list[str]]) -> list[str]:
    """What is new on this host, or gone; another lab of somebody's may come and go meanwhile."""
    after = host_state()
    # A module that the lab loaded brings a setting.
    known = {line.partition("=")[0] for line in before["settings"]}
    after["settings"] = [x for x in after["settings"] if x.partition("=")[0] in known]
    others = any("kubelab-" in line for line in before["rules"])
    if others:
        # The last lab of this host puts them back.
        after["settings"] = before["settings"]
    new = [f"new {kind}: {x}" for kind in after for x in set(after[kind]) - set(before[kind])]
    if others:
        return new
    return new + [
        f"gone {kind}: {x}" for kind in after for x in set(before[kind]) - set(after[kind])
    ]


def settled_changes(before: dict[str, list[str]], seconds: float = 30) -> list[str]:
    """``changes_since``, once nothing is left or ``seconds`` are over.

    The kernel takes a link away a moment after the last process of the machine that had it.
    """
    deadline = time.monotonic() + seconds
    while (changes := changes_since(before)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return changes
