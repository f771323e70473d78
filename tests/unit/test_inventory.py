"""Spec, traits and access turned into the variables of Ansible."""

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

from provisioner.artifacts.offer import offers
from provisioner.inventory import Places, render_inventory, variables
from provisioner.model import Access, Traits
from provisioner.spec import parse_spec

PLACES = Places(
    Path("/lab/inventory.yml"), Path("/lab/kubeconfig"), Path("/cache/set"), "/on/nodes"
)
ACCESS = Access("root", Path("/lab/ssh/id_ed25519"), Path("/lab/ssh/known_hosts"))
CONTAINERS = Traits(shared_kernel=True, own_swap=False, own_disk=False, host_folders=True)


@pytest.fixture
def found(good):
    """The variables that follow from what differs from the embedded profile on plain machines."""

    def found(traits=None, access=ACCESS, **parts):
        spec = parse_spec({**good, **parts}, "lab.yml", offers)
        return variables(spec, traits or Traits(), access, PLACES)

    return found


def test_the_inventory_is_as_it_was(good, snapshot):
    spec = parse_spec(good, "lab.yml", offers)
    assert render_inventory(spec, CONTAINERS, ACCESS, PLACES) == snapshot


def test_every_node_is_in_the_group_of_its_role(good):
    spec = parse_spec(good, "lab.yml", offers)
    text = render_inventory(spec, Traits(), ACCESS, PLACES)
    cluster = DataLoader().load(text)["cluster"]["children"]
    assert list(cluster["control_plane"]["hosts"]) == ["master"]
    assert list(cluster["workers"]["hosts"]) == ["worker1", "worker2"]


def test_machines_that_share_the_kernel_leave_its_limits_alone(found):
    assert found(CONTAINERS)["control_plane_kube_proxy_config"] == {"conntrack": {"maxPerCore": 0}}
    assert "control_plane_kube_proxy_config" not in found()


def test_swap_is_left_alone_where_it_is_the_hosts(found):
    shared = found(CONTAINERS)
    assert shared["node_swap_off"] is False
    assert shared["kubernetes_kubelet_config"]["failSwapOn"] is False
    assert "node_swap_off" not in found()


def test_slow_machines_get_time_and_keep_what_else_they_are(found):
    slow = found(Traits(slowness=8, own_swap=False))
    assert slow["control_plane_init_timeout"] == 1200
    assert slow["join_token_ttl"] == "1h"
    kubelet = slow["kubernetes_kubelet_config"]
    assert kubelet == {"runtimeRequestTimeout": "15m0s", "failSwapOn": False}
    # A look costs them too much.
    assert found(Traits())["kubernetes_kubelet_config"]["nodeStatusUpdateFrequency"] == "2s"
    assert "control_plane_init_timeout" not in found(Traits(slowness=1))


def test_a_disk_for_the_runtime_is_mounted_where_the_runtime_keeps_images(found):
    (volume,) = found(Traits(runtime_disk="kubelab-docker"))["storage_volumes"]
    assert volume["disk"] == "kubelab-docker"
    assert volume["mount"] == "/var/lib/docker"


@pytest.mark.parametrize(
    ("version", "program"),
    [("2.7", "/usr/bin/python2.7"), ("3", "/usr/bin/python3"), ("3.11", "/usr/bin/python3")],
)
def test_the_interpreter_is_the_one_that_the_package_manager_has_bindings_for(
    found, version, program
):
    assert found(Traits(python=version))["ansible_python_interpreter"] == program


def test_who_is_not_root_has_to_become_root(found):
    access = Access("admin", Path("/key"), Path("/known"), hop="ssh://me@far")
    shown = found(access=access)
    assert (shown["ansible_user"], shown["ansible_become"]) == ("admin", True)
    assert "ProxyCommand" in shown["ansible_ssh_common_args"]
    assert found()["ansible_become"] is False


def test_a_proxy_of_this_hosts_environment_does_not_reach_the_nodes(found, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert "127.0.0.1:9" not in str(found())


def test_a_mirror_and_a_proxy_of_the_spec_reach_the_nodes(found, good):
    artifacts = {"proxy": "http://proxy:3128/", "registry_mirror": "https://mirror.lan"}
    shown = found(artifacts=good["artifacts"] | artifacts)
    assert shown["node_proxy"] == "http://proxy:3128"
    extra = {"registry-mirrors": ["https://mirror.lan"]}
    assert shown["runtime_docker_daemon_extra"] == extra


def test_nothing_of_the_catalogue_is_a_variable(found, good):
    artifacts = good["artifacts"] | {"overrides": {"artifacts_machine_root": {"suite": "trixie"}}}
    shown = found(artifacts=artifacts)
    assert {name for name in shown if name.startswith("artifacts_")} == {
        "artifacts_dir",
        "artifacts_node_dir",
    }
