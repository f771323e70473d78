"""Questions to this host: can machine containers run here? Nothing is changed by asking."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from provisioner.host_questions import HostAnswer, ask_all
from provisioner.model import Finding
from provisioner.providers.nspawn import firewall, kernel
from provisioner.providers.nspawn.cgroups import missing_controllers
from provisioner.providers.nspawn.machine import lacks_sys_resource
from provisioner.providers.nspawn.network import LabNetwork, words_for
from provisioner.providers.nspawn.remains import NEED_ROOT, strangers

# A worker writes about 1.2 GiB (images, logs), a control plane about 1.6.
GIB_PER_NODE = 2
MIB_PER_NODE = 512
TOOLS = ("systemd-nspawn", "unshare", "ip", "nft", "ssh", "ssh-keygen")


@dataclass(frozen=True)
class Counts:
    """How many machines have to be made, do not run, and are on this host with those of others."""

    new: int
    asleep: int
    on_host: int


def _root() -> HostAnswer:
    if os.geteuid() == 0:
        return True, "root", ""
    return False, f"user id {os.geteuid()}", NEED_ROOT


def _tools() -> HostAnswer:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return False, f"missing: {', '.join(missing)}", "Run `kubelab up`, which installs them."
    return True, "all here", ""


def _cgroups() -> HostAnswer:
    missing = sorted(missing_controllers())
    if missing:
        hint = "Mount the cgroup controllers under /sys/fs/cgroup, or boot with them enabled."
        return False, f"controllers missing: {', '.join(missing)}", hint
    return True, "all controllers", ""


def _folder(folder: Path) -> HostAnswer:
    # Some other characters have a meaning to ssh, mount or systemd-nspawn.
    if odd := sorted(set(re.findall(r"[^\w./@+-]", str(folder), re.ASCII))):
        hint = "Set KUBELAB_HOME to a folder whose path is of letters, digits and . _ @ + - only."
        return False, f"{folder} has {' '.join(map(repr, odd))} in its path", hint
    return True, str(folder), ""


def _filesystem(folder: Path) -> str:
    real = folder
    while not real.exists():
        real = real.parent
    mounts = sorted(psutil.disk_partitions(all=True), key=lambda part: len(part.mountpoint))
    kinds = [part.fstype for part in mounts if real.is_relative_to(part.mountpoint)]
    return kinds[-1] if kinds else "unknown"


def _disk(folder: Path, nodes: int) -> HostAnswer:
    kind = _filesystem(folder)
    if kind in ("overlay", "tmpfs", "nfs", "fuse.fuse-overlayfs"):
        hint = "Set KUBELAB_HOME to a folder on a disk with ext4 or xfs."
        return False, f"{folder} is on {kind}, which cannot hold docker's overlay2", hint
    real = folder
    while not real.exists():
        real = real.parent
    free, wanted = psutil.disk_usage(str(real)).free / 2**30, nodes * GIB_PER_NODE
    if free < wanted:
        fits = _fits(int(free // GIB_PER_NODE))
        hint = f"Free some space, or set KUBELAB_HOME to a larger disk{fits}."
        return False, f"{free:.1f} GiB free under {real}, {wanted} GiB needed", hint
    shared = "machines share it without a limit for each"
    return True, f"{free:.0f} GiB free on {kind}, {wanted} needed; {shared}", ""


def _fits(count: int) -> str:
    return f", or use fewer new machines: {count} fit" if count > 0 else ""


def _memory(nodes: int) -> HostAnswer:
    # Limits are upper bounds; a control plane of three nodes was seen to use 1.2 GiB in all.
    free = psutil.virtual_memory().available / 2**20
    wanted = MIB_PER_NODE * (nodes + 1) if nodes else 0
    if free < wanted:
        hint = f"End other programs{_fits(int(free // MIB_PER_NODE) - 1)}."
        return False, f"{free:.0f} MiB free, {wanted} needed", hint
    return True, f"{free:.0f} MiB free, {wanted} needed", ""


def _network(net: LabNetwork) -> HostAnswer:
    if not shutil.which("ip"):
        return True, "not asked: no ip program yet", ""
    if conflict := net.conflict():
        hint = "Choose another networks.node in the lab spec, or destroy the lab that has it."
        return False, conflict, hint
    return True, f"{net.network} is free for {net.bridge}; {words_for(net.expose)}", ""


def _firewall(net: LabNetwork) -> HostAnswer:
    if not shutil.which("nft") or os.geteuid() != 0:
        return True, "not asked: it needs root and nft", ""
    if rule := firewall.legacy_closed():
        hint = "Move this host's rules to nft, by `iptables-nft`; or accept the lab's in them:"
        rules = (
            f"`iptables-legacy -I FORWARD {way} {net.bridge} -j ACCEPT`" for way in ("-i", "-o")
        )
        return False, f"the older iptables stops the lab: {rule}", f"{hint} {' and '.join(rules)}."
    closed = firewall.closed_to(net.bridge, dns=bool(net.resolver.passed_to))
    passed = firewall.passed(net.table)
    if closed:
        names = ", ".join(" ".join(chain) for chain, _ in closed)
        return True, f"{names} would stop the lab, which adds rules of its own to pass", ""
    if passed:
        return True, f"{', '.join(map(' '.join, passed))} has rules of this lab to pass", ""
    return True, "lets the lab pass", ""


def _kernel(machines: int) -> HostAnswer:
    if os.geteuid() != 0:
        return True, "not asked: it needs root", ""
    lacks = kernel.lacking(machines)
    told = ", ".join(f"{s.name} {s.read()} to {s.wanted(machines)}" for s in lacks)
    if kernel.refused(machines):
        return False, f"{machines} machines need {told}", kernel.hint_for(machines)
    if lacks:
        return True, f"changed until the last lab is gone: {told}", ""
    return True, f"serves {machines} machines", ""


def _leftovers(label: str, folder: Path) -> HostAnswer:
    if names := strangers(label, folder):
        return (
            False,
            f"{', '.join(names)} of a lab {label} run, whose folder {folder} is gone or was moved",
            f"Run `kubelab list --all` to see where it is, `kubelab destroy --name {label}` to"
            " remove it, or give the new lab another --name.",
        )
    return True, "none", ""


def _oom_scores() -> HostAnswer:
    if lacks_sys_resource():
        return True, "this host refuses negative ones; machines get a runc that asks for 0", ""
    return True, "may be lowered", ""


def probe_host(folder: Path, net: LabNetwork, counts: Counts) -> list[Finding]:
    """Every question, whatever the answers to those before it."""
    questions: dict[str, Callable[[], HostAnswer]] = {
        "root": _root,
        "tools": _tools,
        "cgroups": _cgroups,
        "folder": lambda: _folder(folder),
        "disk": lambda: _disk(folder, counts.new),
        "memory": lambda: _memory(counts.asleep),
        "kernel": lambda: _kernel(counts.on_host),
        "network": lambda: _network(net),
        "firewall": lambda: _firewall(net),
        "resolver": lambda: (True, net.resolver.told, ""),
        "leftovers": lambda: _leftovers(net.lab, folder),
        "oom-scores": _oom_scores,
    }
    return ask_all(questions)
