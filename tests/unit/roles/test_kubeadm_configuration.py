"""kubeadm's configuration for each version of the catalogue, rendered as Ansible renders it."""

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLES = Path(__file__).resolve().parents[3] / "roles"
TEMPLATES = ROLES / "control_plane/templates"
VERSIONS = yaml.safe_load(FILE.read_text())["artifacts_kubernetes"]
SOURCES = [
    *sorted((ROLES / "artifacts/defaults/main").glob("*.yml")),
    *(ROLES / f"control_plane/{part}/main.yml" for part in ("defaults", "vars")),
    *(ROLES / f"{role}/vars/main.yml" for role in ("kubernetes", "reset")),
]


def templar(version: str, **more: object) -> Templar:
    variables = {key: value for file in SOURCES for key, value in read(file).items()}
    own = {"inventory_hostname": "master", "node_ip": "10.77.0.10", "kubernetes_version": version}
    found = Templar(DataLoader(), variables={**variables, **own, **more})
    found.environment.loader.searchpath = [str(TEMPLATES)]
    return found


def read(file: Path) -> dict[str, object]:
    return yaml.safe_load(file.read_text())


def documents(version: str, **more: object) -> dict[str, dict]:
    text = (TEMPLATES / "kubeadm.yml.j2").read_text()
    rendered = templar(version, **more).do_template(text, preserve_trailing_newlines=True)
    return {document["kind"]: document for document in yaml.safe_load_all(rendered)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_its_four_parts(version):
    found = documents(version)
    assert list(found) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    api = VERSIONS[version]["kubeadm_api"]
    cluster = found["ClusterConfiguration"]
    assert found["InitConfiguration"]["apiVersion"] == cluster["apiVersion"] == api
    assert cluster["kubernetesVersion"] == f"v{version}"
    assert cluster["etcd"]["local"]["imageTag"]


def test_the_socket_follows_from_the_version():
    sockets = {v: documents(v)["InitConfiguration"]["nodeRegistration"] for v in VERSIONS}
    assert sockets["1.20.2"]["criSocket"] == "/var/run/dockershim.sock"
    assert sockets["1.31.4"]["criSocket"] == "unix:///var/run/cri-dockerd.sock"


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("1.20.2", {"enable-priority-and-fairness": "false"}),
        ("1.31.4", [{"name": "enable-priority-and-fairness", "value": "false"}]),
    ],
)
def test_arguments_of_the_api_server_are_told_in_the_words_of_each_version(version, told):
    args = {"control_plane_api_server_args": {"enable-priority-and-fairness": "false"}}
    assert documents(version, **args)["ClusterConfiguration"]["apiServer"]["extraArgs"] == told


def test_keys_of_another_kind_are_told_in_the_words_of_each_version():
    ecdsa = {"control_plane_encryption_algorithm": "ECDSA-P256"}
    old, new = (documents(v, **ecdsa)["ClusterConfiguration"] for v in ("1.20.2", "1.31.4"))
    assert old["featureGates"] == {"PublicKeysECDSA": True}
    assert new["encryptionAlgorithm"] == "ECDSA-P256"
    for version in VERSIONS:
        unasked = documents(version)["ClusterConfiguration"]
        assert not {"featureGates", "encryptionAlgorithm"} & set(unasked)


def test_patience_and_leaders_are_told_in_the_words_of_each_version():
    slow = {"control_plane_init_timeout": 1200, "control_plane_leader_election": False}
    old, new = documents("1.20.2", **slow), documents("1.31.4", **slow)
    assert old["ClusterConfiguration"]["apiServer"] == {"timeoutForControlPlane": "1200s"}
    assert new["InitConfiguration"]["timeouts"] == {"controlPlaneComponentHealthCheck": "1200s"}
    assert old["ClusterConfiguration"]["scheduler"]["extraArgs"] == {"leader-elect": "false"}
    told = [{"name": "leader-elect", "value": "false"}]
    assert new["ClusterConfiguration"]["scheduler"]["extraArgs"] == told


def test_init_is_known_to_be_done_by_what_its_version_makes():
    question = "{{ control_plane_kubelet_config }}"
    assert templar("1.20.2").template(question) == "kubelet-config-1.20"
    assert templar("1.31.14").template(question) == "kubelet-config"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_between_kubelet_and_docker_is_set_up_and_wanted_by_a_reset(version):
    asked = templar(version)
    shims = asked.template("{{ kubernetes_shims[kubernetes_cri] }}")
    services = asked.template("{{ reset_shims[kubernetes_cri] }}")
    assert len(shims) == len(services) == (0 if version == "1.20.2" else 1)
    for shim in shims:
        assert (ROLES / f"kubernetes/tasks/{shim}.yml").is_file()
        assert shim in VERSIONS[version]["binaries"]
