"""CentOS 7, for somebody who has KVM: `make test-centos7 SPEC=FILE` leaves one report."""

import json
import os
import re
import ssl
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.centos7.report import without_secrets
from tests.labs import HOME, PROJECT, Lab, recap

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
    "accounting": "systemctl show -p CPUAccounting,MemoryAccounting,LimitNOFILE docker kubelet"
    " cri-docker",
    "selinux": "getenforce; ls -Zd /var/lib/docker",
    "clock": "chronyc tracking",
    "entropy": "cat /proc/sys/kernel/random/entropy_avail; ls -l /dev/hwrng",
    "kubelet": "journalctl -u kubelet -n 80 --no-pager",
    "complaints": "journalctl -u kubelet --no-pager | grep -oE 'not enabled for (process|pid)"
    "|Failed to get system container stats' | sort | uniq -c",
    "links": "ip -o link; ip route",
    "names": "cat /etc/hosts",
    "disk": "sfdisk -d /dev/vdb",
    "rules": "iptables --version; iptables-save | wc -l",
    "plugins": "ls -l /opt/cni/bin /etc/cni/net.d; cat /etc/cni/net.d/*",
    "containers": "docker ps -a --format '{{.Names}} {{.Status}}'",
    "weave": "curl -s http://127.0.0.1:6784/status",
    # As a person has it who is not root.
    "sudo": "runuser -u vagrant -- sudo kubectl version --client",
}


@pytest.fixture(scope="module")
def story():
    """What was found, by name; written when all is over, however it went."""
    found: dict = {"began": time.strftime("%FT%T%z")}
    yield found
    REPORT.write_text(json.dumps(without_secrets(found), indent=1))
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


@pytest.fixture(scope="module")
def nodes(whole):
    return [node["name"] for node in whole.status()["nodes"]]


@pytest.fixture(scope="module")
def worker(nodes):
    return nodes[-1]


def verified(lab):
    out, _ = lab.call("verify", "--name", lab.name, "--json", code=0, seconds=SECONDS)
    return json.loads(out)


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
        story["verify"] = verified(whole)

    def test_a_second_up_changes_nothing(self, whole, story):
        story["second up"] = whole.up(SECONDS)
        assert set(story["second up"]["changed"].values()) == {0}

    def test_weave_connects_every_node(self, whole, story, nodes):
        columns = "-o=custom-columns=NODE:.spec.nodeName,READY:.status.containerStatuses[*].ready"
        words = ("-n", "kube-system", "get", "pods", "-l", "app=weave-net", "--no-headers", columns)
        story["weave"] = whole.kubectl(*words)
        for node in nodes:
            assert re.search(rf"^{node}\s+true,true$", story["weave"], re.M), node
            status = whole.ssh(node, "curl -s http://127.0.0.1:6784/status/connections")
            assert status.count("established") == len(nodes) - 1, status

    def test_the_dashboard_serves_its_page(self, whole, story):
        words = ("dashboard", "--name", whole.name, "--port", "18091", "--json")
        process = whole.start(*words)
        try:
            answer = json.loads(process.stdout.readline())
            # Its certificate is its own.
            context = ssl._create_unverified_context()
            with urllib.request.urlopen(answer["url"], timeout=60, context=context) as page:
                story["dashboard"] = page.read().decode(errors="replace")[:400]
            assert "Kubernetes Dashboard" in story["dashboard"]
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def test_a_pod_has_what_people_debug_with(self, whole, story):
        image = next(s for s in story["plan"]["steps"] if s["source"].endswith("/agnhost"))
        run = f"run debug --image={image['source']}:{image['version']} --restart=Never --command --"
        whole.kubectl(*run.split(), "sleep", "3600")
        whole.kubectl("wait", "--for=condition=Ready", "pod/debug", "--timeout=120s")
        asked = {
            "curl": "curl -sS -m 10 -k https://kubernetes.default/version",
            "nslookup": "nslookup kubernetes.default",
            "dig": "dig +short SRV _https._tcp.kubernetes.default.svc.cluster.local",
        }
        # The answer of the API server is one of its own, also where it refuses to say more.
        says = {"curl": "kind|gitVersion", "nslookup": "svc.cluster.local", "dig": "443 kubernetes"}
        story["debug"] = {
            name: whole.kubectl("exec", "debug", "--", *words.split())
            for name, words in asked.items()
        }
        for name, wanted in says.items():
            assert re.search(wanted, story["debug"][name]), story["debug"][name]
        whole.kubectl("delete", "pod", "debug", "--grace-period=1")

    def test_plain_ansible_changes_nothing(self, whole, story, nodes):
        story["ansible-playbook"] = recap(whole.playbook("site.yml"))
        assert story["ansible-playbook"] == dict.fromkeys(nodes, 0)

    def test_a_worker_that_is_reset_leaves_nothing_and_comes_back(self, whole, story, worker):
        name = ("--name", whole.name)
        whole.json("node", "reset", worker, *name, seconds=SECONDS)
        left = "ls /etc/cni/net.d /opt/cni/bin; ip -o link; iptables-save; ipset list -name; true"
        story["after the reset"] = whole.ssh(worker, left)
        assert "weave" not in story["after the reset"].lower()
        whole.json("node", "rejoin", worker, *name, seconds=SECONDS)
        story["verify after the rejoin"] = verified(whole)

    def test_stopped_and_started_every_node_is_ready(self, whole, story):
        whole.json("stop", "--name", whole.name, seconds=SECONDS)
        whole.json("start", "--name", whole.name, seconds=SECONDS)
        story["verify after the start"] = verified(whole)

    def test_nodes_are_as_the_roles_want_them(self, whole, nodes):
        for node in nodes:
            assert re.search(r"start= *2048,", whole.ssh(node, FACTS["disk"])), node
            assert not re.search(rf"^127\.\S+\s.*\b{node}\b", whole.ssh(node, FACTS["names"]), re.M)
            assert "Client Version" in whole.ssh(node, FACTS["sudo"])
