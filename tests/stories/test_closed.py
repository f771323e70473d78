"""A lab that runs is closed to a host on another network, which this host routes."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

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
        run("ip", "address", "add", "198.51.100.1/30", "dev", LINK)
        run("ip", "link", "set", LINK, "up")
        run(*inside, "ip", "address", "add", "198.51.100.2/30", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", "198.51.100.1")
        yield inside
    finally:
        run("ip", "netns", "delete", STRANGER)


@pytest.mark.lab("default", changes=False)
def test_a_stranger_finds_the_ports_that_a_spec_exposes_and_no_other(lab, stranger, tmp_path):
    def found(scan: list[str]) -> set[str]:
        return set(run(*scan).split())

    spec = yaml.safe_load(lab.spec.read_text())
    spec["provider"] = {"name": "machine", "expose": [10250]}
    exposed = tmp_path / "exposed.yml"
    exposed.write_text(yaml.safe_dump(spec))
    scans = {}
    for node in lab.status()["nodes"]:
        listening = lab.ssh(node["name"], "ss -Htln").splitlines()
        ports = {line.split()[3].rpartition(":")[2] for line in listening}
        scans[node["name"]] = [sys.executable, "-c", SCAN, node["address"], *sorted(ports, key=int)]
    for scan in scans.values():
        assert {"22", "10250"} <= found(scan), "this host reaches them"
        assert found([*stranger, *scan]) == set()
    lab.run("up", "-f", str(exposed))
    assert lab.status()["network"].startswith("ports 10250 open")
    # That the stranger has a way is shown by this, too.
    assert [found([*stranger, *scan]) for scan in scans.values()] == [{"10250"}] * len(scans)
    lab.up()
    assert lab.status()["network"] == "closed to all but this host"
    assert [found([*stranger, *scan]) for scan in scans.values()] == [set()] * len(scans)
