"""kubeadm's configuration for each of its APIs, rendered as Ansible renders it."""

import pytest
import yaml

from tests.unit.roles.manifests import ROLES, VERSIONS, manifest, render, templar


def documents(version: str, **more: object) -> dict[str, dict]:
    text = render("control_plane", "kubeadm.yml.j2", common_manifest=manifest(version), **more)
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_its_four_parts(version):
    found = documents(version)
    assert list(found) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    cluster = found["ClusterConfiguration"]
    assert found["InitConfiguration"]["apiVersion"] == VERSIONS[version][0]
    assert cluster["apiVersion"] == VERSIONS[version][0]
    assert cluster["kubernetesVersion"] == f"v{version}"
    assert cluster["imageRepository"] == "kubelab.local"
    assert cluster["etcd"]["local"]["imageTag"] == "3.4.23-0"
    assert cluster["dns"]["imageTag"] == "1.10.1"


@pytest.mark.parametrize("version", ["1.20.2", "1.31.4"])
def test_the_endpoint_is_that_of_the_api_and_not_of_the_node(version):
    assert documents(version)["ClusterConfiguration"]["controlPlaneEndpoint"] == "10.77.0.10:6443"
    found = documents(version, api_endpoint="lb.example:8443")
    assert found["ClusterConfiguration"]["controlPlaneEndpoint"] == "lb.example:8443"
    local = found["InitConfiguration"]["localAPIEndpoint"]
    assert local["advertiseAddress"] == "10.77.0.10"


def test_the_socket_follows_from_the_version():
    sockets = {v: documents(v)["InitConfiguration"]["nodeRegistration"] for v in VERSIONS}
    assert sockets["1.20.2"]["criSocket"] == "/var/run/dockershim.sock"
    assert sockets["1.31.4"]["criSocket"] == "unix:///var/run/cri-dockerd.sock"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.20.2", {"profiling": "false", "enable-priority-and-fairness": "false"}),
        (
            "1.31.4",
            [
                {"name": "profiling", "value": "false"},
                {"name": "enable-priority-and-fairness", "value": "false"},
            ],
        ),
    ],
)
def test_arguments_of_the_api_server_have_the_form_of_each_version(version, expected):
    args = {"control_plane_api_server_args": {"enable-priority-and-fairness": "false"}}
    assert documents(version, **args)["ClusterConfiguration"]["apiServer"]["extraArgs"] == expected


def test_the_kind_of_keys_has_the_form_of_each_version():
    ecdsa = {"control_plane_encryption_algorithm": "ECDSA-P256"}
    old, new = (documents(v, **ecdsa)["ClusterConfiguration"] for v in ("1.20.2", "1.31.4"))
    assert old["featureGates"] == {"PublicKeysECDSA": True}
    assert new["encryptionAlgorithm"] == "ECDSA-P256"
    for version in VERSIONS:
        default = documents(version)["ClusterConfiguration"]
        assert not {"featureGates", "encryptionAlgorithm"} & set(default)


def test_timeout_and_leader_election_have_the_form_of_each_version():
    slow = {"control_plane_init_timeout": 1200, "control_plane_leader_election": False}
    old, new = documents("1.20.2", **slow), documents("1.31.4", **slow)
    assert old["ClusterConfiguration"]["apiServer"]["timeoutForControlPlane"] == "1200s"
    assert new["InitConfiguration"]["timeouts"] == {"controlPlaneComponentHealthCheck": "1200s"}
    assert old["ClusterConfiguration"]["scheduler"]["extraArgs"] == {
        "profiling": "false",
        "leader-elect": "false",
    }
    expected = [
        {"name": "profiling", "value": "false"},
        {"name": "leader-elect", "value": "false"},
    ]
    assert new["ClusterConfiguration"]["scheduler"]["extraArgs"] == expected


@pytest.mark.parametrize(
    ("version", "name"), [("1.20.2", "kubelet-config-1.20"), ("1.31.14", "kubelet-config")]
)
def test_the_last_object_of_init_has_the_name_of_each_version(version, name):
    asked = templar("control_plane", common_manifest=manifest(version))
    assert asked.template("{{ control_plane_kubelet_config }}") == name


@pytest.mark.parametrize(("version", "count"), [("1.20.2", 1), ("1.31.4", 2)])
def test_cri_dockerd_is_one_of_the_services_of_a_version_without_dockershim(version, count):
    asked = templar("runtime", common_manifest=manifest(version))
    assert len(asked.template("{{ runtime_services }}")) == count


PARTS = ("apiServer", "controllerManager", "scheduler")


def arguments(version, **more):
    """The arguments of each part, in one form."""
    cluster = documents(version, **more)["ClusterConfiguration"]
    given = {part: cluster[part]["extraArgs"] for part in PARTS}
    return {
        part: {pair["name"]: pair["value"] for pair in args} if isinstance(args, list) else args
        for part, args in given.items()
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_profiling_is_off_in_every_cluster_and_nothing_else_is_asked_of_it(version):
    assert arguments(version) == {part: {"profiling": "false"} for part in PARTS}
    assert documents(version)["ClusterConfiguration"]["apiServer"]["extraVolumes"] == []
    assert "protectKernelDefaults" not in documents(version)["KubeletConfiguration"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hardened_cluster_has_an_audit_log_that_rotates(version):
    found = documents(version, kubernetes_hardening="cis")
    args = arguments(version, kubernetes_hardening="cis")
    server = args["apiServer"]
    limits = [server[f"audit-log-{key}"] for key in ("maxage", "maxbackup", "maxsize")]
    assert limits == ["30", "10", "100"]
    volumes = found["ClusterConfiguration"]["apiServer"]["extraVolumes"]
    mounted = [volume["mountPath"] for volume in volumes]
    assert server["audit-policy-file"] in mounted
    assert server["audit-log-path"].rpartition("/")[0] in mounted
    assert all(args[part]["profiling"] == "false" for part in PARTS)
    assert found["KubeletConfiguration"]["protectKernelDefaults"] is True


def test_kubelet_does_not_watch_over_a_kernel_that_is_not_its_own():
    found = documents("1.20.2", kubernetes_hardening="cis", kubernetes_protect_kernel=False)
    assert "protectKernelDefaults" not in found["KubeletConfiguration"]
    assert found["KubeletConfiguration"]["tlsCipherSuites"]


def test_an_argument_of_the_user_wins_over_ours():
    given = {"control_plane_api_server_args": {"profiling": "true"}}
    assert arguments("1.31.4", **given)["apiServer"] == {"profiling": "true"}


def test_the_audit_log_never_has_the_content_of_a_secret():
    policy = yaml.safe_load((ROLES / "control_plane/files/audit-policy.yml").read_text())
    for rule in policy["rules"]:
        named = {name for part in rule.get("resources", []) for name in part["resources"]}
        if "secrets" in named:
            assert rule["level"] == "Metadata"
            assert {"serviceaccounts/token", "configmaps"} <= named
            return
        # What comes before keeps nothing.
        assert rule["level"] == "None"
    raise AssertionError("no rule names secrets")
