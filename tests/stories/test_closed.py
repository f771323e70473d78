"""A lab that runs is closed to a host on another network, which this host routes."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.machine.spaces import SCAN

STRANGER, LINK = "kt-stranger", "kt-up0"


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture
def stranger() -> Iterator[list[str]]:
    """A network namespace with a route to the lab; returns the words that run a command in it."""
    inside = ["ip", "netns", "exec", STRANGER]
    run("ip", "netns", "add", STRANGER)
    try:
        run("ip", "link", "add", LINK, "type", "veth", "peer", "eth0", "netns", STRANGER)
        run("ip", "address", "add", "192.0.2.1/30", "dev", LINK)
        run("ip", "link", "set", LINK, "up")
        run(*inside, "ip", "address", "add", "192.0.2.2/30", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", "192.0.2.1")
        yield inside
    finally:
        run("ip", "netns", "delete", STRANGER)


@pytest.mark.lab("default", changes=False)
def test_a_stranger_finds_no_open_port_of_a_lab(lab, stranger):
    assert lab.status()["network"] == "closed to all but this host"
    for node in lab.status()["nodes"]:
        listening = lab.ssh(node["name"], "ss -Htln").splitlines()
        ports = {line.split()[3].rpartition(":")[2] for line in listening}
        assert {"22", "10250"} <= ports
        scan = [sys.executable, "-c", SCAN, node["address"], *sorted(ports, key=int)]
        assert {"22", "10250"} <= set(run(*scan).split()), "this host reaches them"
        assert run(*stranger, *scan) == ""
