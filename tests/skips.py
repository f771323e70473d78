"""Skips that are expected, each with its reason. In CI any other skip is a failure.

A skip says that something was not looked at; a new one must not pass for a success.
"""

import os
import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# `make test-fast` sets it: packages that only labs install may not be there yet.
BEFORE_PACKAGES = "KUBELAB_TESTS_BEFORE_PACKAGES"


@dataclass(frozen=True)
class Allowed:
    """A skip that may be.

    ``reason`` is how it is told (a regular expression), ``so`` asks this host whether it is true,
    ``early`` says that it may be in the pass before packages are installed, and not later.
    """

    reason: str
    why: str
    so: Callable[[], bool]
    early: bool = False


def lacks(program: str) -> Callable[[], bool]:
    return lambda: shutil.which(program) is None


def _no_group_kvm() -> bool:
    return not any(line.startswith("kvm:") for line in Path("/etc/group").read_text().splitlines())


def _no_freezer() -> bool:
    groups = Path("/sys/fs/cgroup")
    return not (groups / "freezer").is_dir() and not (groups / "cgroup.controllers").is_file()


def _has_kvm() -> bool:
    from provisioner.providers.libvirt.kvm import probe_kvm

    return probe_kvm().verdict == "usable"


ALLOWED = [
    Allowed("no vagrant on this host", "a lab of VMs installs it", lacks("vagrant"), True),
    Allowed("no ruby on this host", "it comes with vagrant", lacks("ruby"), True),
    Allowed("no QEMU on this host", "a lab of VMs installs it", lacks("qemu-system-x86_64"), True),
    Allowed("the group kvm comes with", "it comes with QEMU", _no_group_kvm, True),
    Allowed("no nft on this host", "the first lab installs it", lacks("nft"), True),
    Allowed("no iptables or no ipset", "the tests' packages have them", lacks("ipset"), True),
    Allowed("no gcc on this host", "the first build installs it", lacks("gcc"), True),
    Allowed("no apt on this host", "other distributions have another", lacks("apt-get")),
    Allowed("no ssh-keygen", "the first lab installs it", lacks("ssh-keygen"), True),
    Allowed(r"no Python 2\.7", "no distribution of today has it", lambda: True),
    Allowed("no freezer of cgroups", "kernels are built without it", _no_freezer),
    Allowed("the processor is not emulated", "it is about emulation", _has_kvm),
    # Only the first `up` of a host sends a box, and only kubelab's own libvirtd may be ended.
    Allowed("libvirt has a box already", "another lab has sent it", lambda: True),
    Allowed("libvirtd is a service of this host's", "it is not ours to end", lambda: True),
]


def is_expected(reason: str, environ: dict[str, str]) -> bool:
    """Whether a test may be skipped for this reason, on this host, in this pass."""
    early = bool(environ.get(BEFORE_PACKAGES))
    return any(
        re.search(allowed.reason, reason) and (early or not allowed.early) and allowed.so()
        for allowed in ALLOWED
    )


def _fail_unexpected(report: Any) -> None:
    """Make a failure of a skip that nobody expected, where this is CI."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = told.removeprefix("Skipped: ")
    if not is_expected(reason, dict(os.environ)):
        report.outcome = "failed"
        report.longrepr = f"an unexpected skip ({reason}): mend it, or name it in tests/skips.py"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    report = yield
    _fail_unexpected(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: Any) -> Generator[None, Any, Any]:
    report = yield
    _fail_unexpected(report)
    return report
