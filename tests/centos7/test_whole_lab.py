"""CentOS 7, for somebody who has KVM: `make test-centos7 SPEC=FILE` leaves one report."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from tests.labs import HOME, PROJECT, Lab

SECONDS = 3600
REPORT = PROJECT / "centos7-report.json"
# What tells one machine from another where something went wrong.
FACTS = {
    "kernel": "uname -r; cat /proc/cmdline",
    "release": "cat /etc/redhat-release",
    "python": "/usr/bin/python2.7 --version 2>&1",
    "packages": "rpm -q docker-ce docker-ce-cli containerd.io conntrack-tools ipset iptables",
    "repositories": "yum repolist -v enabled | grep -E 'Repo-(id|baseurl)'",
    "docker": "docker info",
    "services": "systemctl --failed --no-legend; systemctl is-active docker kubelet cri-docker",
    "selinux": "getenforce",
    "clock": "chronyc tracking",
    "kubelet": "journalctl -u kubelet -n 80 --no-pager",
    "links": "ip -o link; ip route",
}


@pytest.fixture(scope="module")
def story():
    """What was found, by name; written when all is over, however it went."""
    found: dict = {"began": time.strftime("%FT%T%z")}
    yield found
    REPORT.write_text(json.dumps(found, indent=1))
    print(f"\nthe report: {REPORT}")


@pytest.fixture(scope="module")
def whole(story):
    given = Path(os.environ["SPEC"])
    found = Lab(yaml.safe_load(given.read_text())["name"])
    HOME.mkdir(exist_ok=True)
    found.spec = given
    yield found
    if not (found.dir / "lab.yml").exists():
        return
    nodes = [node["name"] for node in found.status()["nodes"]]
    for node in nodes:
        # A machine that is not there is part of the story too.
        asked = {
            name: found.start("ssh", "--name", found.name, node, "--", command).communicate()
            for name, command in FACTS.items()
        }
        story[node] = asked
    found.run("destroy", "--yes", "--name", found.name)


class TestWholeLab:
    """Each test goes on from the one before."""

    def test_this_host_can_do_it(self, whole, story):
        story["doctor"] = whole.json("doctor", "-f", str(whole.spec))
        story["plan"] = whole.json("plan", "-f", str(whole.spec))

    def test_up_ends_with_a_cluster(self, whole, story):
        story["up"] = whole.up(SECONDS)
        story["status"] = whole.status()
        assert story["status"]["phase"] == "running"

    def test_verify_finds_it_whole(self, whole, story):
        out, _ = whole.call("verify", "--name", whole.name, "--json", code=0, seconds=SECONDS)
        story["verify"] = json.loads(out)

    def test_a_second_up_changes_nothing(self, whole, story):
        story["second up"] = whole.up(SECONDS)
        assert set(story["second up"]["changed"].values()) == {0}
