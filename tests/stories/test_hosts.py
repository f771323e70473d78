"""What the roles leave on a host, looked at with testinfra over the lab's own SSH."""

import pytest
import testinfra

NODES = {"master": "10.81.0.10", "worker1": "10.81.0.11", "worker2": "10.81.0.12"}
pytestmark = pytest.mark.lab("default", changes=False)


@pytest.fixture(params=NODES)
def host(lab, request, tmp_path):
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host {request.param}\n  HostName {NODES[request.param]}\n  User root\n"
        f"  IdentityFile {lab.dir}/ssh/id_ed25519\n"
        f"  UserKnownHostsFile {lab.dir}/ssh/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    return testinfra.get_host(f"ssh://{request.param}", ssh_config=str(config))


def test_the_kube_user_has_the_same_ids_everywhere(host):
    kube = host.user("kube")
    assert (kube.uid, kube.gid, kube.group) == (6443, 6443, "kube")
    assert "root" not in kube.groups


def test_every_node_knows_the_names_of_all(host):
    for name, address in NODES.items():
        assert f"{address} {name}" in host.file("/etc/hosts").content_string
    assert "localhost" in host.file("/etc/hosts").content_string


def test_docker_is_on_systemd_and_rotates_its_logs(host):
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled
    drivers = "{{.CgroupDriver}} {{.Driver}} {{.LoggingDriver}}"
    assert host.check_output(f"docker info -f '{drivers}'") == "systemd overlay2 json-file"
    assert '"max-size"' in host.file("/etc/docker/daemon.json").content_string


def test_kubelet_runs_with_the_node_address(host):
    assert host.service("kubelet").is_running
    assert host.service("kubelet").is_enabled
    name = host.check_output("hostname")
    assert f"--node-ip={NODES[name]}" in host.check_output(
        "cat /etc/systemd/system/kubelet.service"
    )
    assert "cgroupDriver: systemd" in host.file("/var/lib/kubelet/config.yaml").content_string


def test_the_kernel_is_ready_for_pods(host):
    assert host.sysctl("net.ipv4.ip_forward") == 1
    assert host.sysctl("net.bridge.bridge-nf-call-iptables") == 1


def test_secrets_are_closed_to_others(host):
    secrets = ["/etc/kubeadm.yml", "/etc/kubernetes/admin.conf", "/home/kube/.kube/config"]
    there = [path for path in secrets if host.file(path).exists]
    # All of them are the control plane's.
    assert there == (secrets if host.check_output("hostname") == "master" else [])
    assert [path for path in there if host.file(path).mode & 0o077] == []


@pytest.mark.lab("default")
def test_a_join_that_went_to_its_end_leaves_no_token(lab):
    # One that was interrupted leaves it to expire in minutes, so this is about another one.
    words = ("ssh", "--name", lab.name, "master", "--", "kubeadm", "token", "list")
    before = set(lab.run(*words).splitlines())
    lab.run("node", "reset", "worker2", "--name", lab.name)
    lab.run("node", "rejoin", "worker2", "--name", lab.name)
    left = [line for line in lab.run(*words).splitlines() if "kubelab: join of worker2" in line]
    assert not set(left) - before


def test_the_kube_user_can_ask_the_cluster(lab):
    words = ("runuser", "-u", "kube", "--", "/usr/local/bin/kubectl", "get", "nodes", "-o", "name")
    assert "node/master" in lab.run("ssh", "--name", lab.name, "master", "--", *words)
