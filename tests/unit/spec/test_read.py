import copy

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.errors import SpecError
from provisioner.lab import profiles
from provisioner.spec import LabSpec, parse_spec, read_spec, read_stored


def refusal(data) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(data, "lab.yml", offers)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("profile", sorted(profiles()))
def test_every_profile_is_read(profile):
    # A lab's name is a DNS label.
    assert read_spec(profiles()[profile], offers).name == profile.replace(".", "-")


def test_the_resolved_spec_reads_as_itself(good):
    spec = parse_spec(good, "lab.yml", offers)
    assert parse_spec(spec.model_dump(), "resolved", offers) == spec


def change(data, path, value):
    changed = copy.deepcopy(data)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


FAULTS = [
    (("name",), "Not_a_label", "name = ", "DNS label"),
    (("name",), "x" * 33, "name = ", "32"),
    (("kubernetes", "version"), "1.99.0", "kubernetes.version", "1.20.2"),
    (("kubernetes", "version"), 1.20, "kubernetes.version", "quotes"),
    (("nodes", 1, "name"), "master", "nodes[1].name", "already used by nodes[0]"),
    (("nodes", 1, "name"), "worker_1", "nodes[1].name", "DNS label"),
    (("nodes", 1, "name"), "workers", "nodes[1].name", "a group of hosts in the inventory"),
    (("nodes", 1, "name"), "cluster", "nodes[1].name", "a group of hosts in the inventory"),
    (("nodes", 1, "name"), "all", "nodes[1].name", "Ansible's word for every host"),
    (("nodes", 1, "name"), "ungrouped", "nodes[1].name", "Ansible's word"),
    (("nodes", 0, "name"), "localhost", "nodes[0].name", "name for itself"),
    (("nodes", 0, "name"), "ip6-allnodes", "nodes[0].name", "/etc/hosts"),
    (("nodes", 2, "address"), "10.77.0.11", "nodes[2].address", "already used by nodes[1]"),
    (("nodes", 2, "address"), "10.78.0.12", "nodes[2].address", "outside networks.node"),
    (("nodes", 2, "address"), "10.77.0.1", "nodes[2].address", "host's own"),
    (("nodes", 2, "address"), "10.77.0.255", "nodes[2].address", "reserved"),
    (("nodes", 2, "address"), "ten", "nodes[2].address", "10.77.0.10"),
    (("nodes", 0, "cpus"), 1, "nodes[0].cpus", "2 or more"),
    (("nodes", 0, "memory_mib"), 1024, "nodes[0].memory_mib", "2048"),
    (("nodes", 0, "role"), "master", "nodes[0].role", "control-plane"),
    (("nodes", 0, "role"), "worker", "nodes", "no control plane"),
    (("nodes", 1, "role"), "control-plane", "nodes[1].role", "worker"),
    (("nodes",), [], "nodes", "at least 1"),
    (("networks", "pod"), "10.77.0.0/16", "networks.pod", "overlaps networks.node"),
    (("networks", "service"), "10.244.0.0/16", "networks.service", "overlaps networks.pod"),
    (("networks", "pod"), "10.244.0.0/23", "networks.pod", "too small"),
    (("networks", "service"), "10.96.0.0/30", "networks.service", "/12"),
    (
        ("networks", "service"),
        "10.96.0.0/29",
        "networks.service",
        "kubeadm none smaller than a /28",
    ),
    (("networks", "service"), "10.0.0.0/11", "networks.service", "kube-apiserver takes no range"),
    (("networks", "pod"), "10.244.0.0", "networks.pod", "without a prefix length"),
    (("artifacts", "proxy"), "http://{{ lookup('pipe', 'id') }}", "artifacts.proxy", "%7B"),
    (("artifacts", "registry_mirror"), "http://a/\x00", "artifacts.registry_mirror", "%00"),
    (("artifacts", "mirrors"), {"https://a/b": 'http://c/"d'}, "artifacts.mirrors", "%22"),
    (("artifacts", "overrides"), {"artifacts_builds": {1, 2}}, "artifacts.overrides", "JSON"),
    (("networks", "node"), "10.77.0.0/30", "networks.node", "too small"),
    (("networks", "node"), "10.77.0.1/24", "networks.node", "10.77.0.0/24"),
    (("networks", "node"), "172.17.0.0/24", "networks.node", "docker"),
    (("networks", "pod"), "127.0.0.0/8", "networks.pod", "private"),
    (("runtime", "cgroup_driver"), "cgroupv3", "runtime.cgroup_driver", "systemd"),
    (("cni", "name"), "none", "cni.name", "flannel"),
    (("dashboard",), "dashbord", "dashboard.name", "kube-web-view"),
    (("dashboard",), {"name": "headlamp", "exposure": "Ingress"}, "dashboard.exposure", "NodePort"),
    (("dashboard",), {"node_port": 80}, "dashboard.node_port", "30000 to 32767"),
    (("dashboard",), {"node_port": 30080}, "dashboard.node_port", "exposure NodePort"),
    (("dashboard",), {"nmae": "headlamp"}, "dashboard.nmae", "did you mean 'name'"),
    (("addons",), ["nowhere"], "addons[0]", "has no addon"),
    (("extras",), [], "extras", "unknown key"),
    (("provider", "expose"), [6443, 0], "provider.expose[1]", "1 to 65535"),
    (("provider", "expose"), ["6443-6445"], "provider.expose[0]", "not a port"),
    (("provider", "expose"), [70000], "provider.expose[0]", "or all"),
    (("provider", "expose"), [True], "provider.expose[0]", ""),
    (("provider", "name"), "vmware", "provider.name", "machine"),
    (("netwroks",), {}, "netwroks", "did you mean 'networks'"),
    (("nodes", 0, "cpu"), 2, "nodes[0].cpu", "did you mean 'cpus'"),
    (("artifacts", "overrides"), {"artifacts_nope": 1}, "artifacts.overrides.artifacts_nope", ""),
]


@pytest.mark.parametrize(("path", "value", "where", "right"), FAULTS)
def test_a_fault_is_named_by_key_and_told_how_to_mend(good, path, value, where, right):
    error = refusal(change(good, path, value))
    assert where in error.details
    assert right in error.details
    assert error.hint


def test_all_faults_are_told_at_once(good):
    bad = change(change(good, ("nodes", 1, "name"), "master"), ("networks", "pod"), "10.77.0.0/16")
    details = refusal(bad).details
    assert "nodes[1].name" in details
    assert "networks.pod" in details


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_what_is_no_mapping_is_refused(data):
    assert "mapping" in refusal(data).details


def test_a_key_given_twice_is_refused(tmp_path):
    file = tmp_path / "lab.yml"
    file.write_text("name: a\nname: b\n")
    with pytest.raises(SpecError, match="given twice"):
        read_spec(file, offers)


def test_no_yaml_is_refused_with_its_line(tmp_path):
    file = tmp_path / "lab.yml"
    file.write_text("name: [a\nnodes: }\n")
    with pytest.raises(SpecError, match="line 2"):
        read_spec(file, offers)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot read"):
        read_spec(tmp_path / "none.yml", offers)


def test_the_schema_names_every_key():
    schema = LabSpec.model_json_schema()
    assert set(schema["properties"]) == set(LabSpec.model_fields)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("notation", ["10.244.0.0/255.255.0.0", "10.244.0.0/016"])
def test_a_network_has_one_notation_whatever_it_was_written_in(good, notation):
    good["networks"]["pod"] = notation
    assert parse_spec(good, "lab.yml", offers).networks.pod == "10.244.0.0/16"


def test_the_smallest_range_of_services_that_kubeadm_takes_is_taken(good):
    good["networks"]["service"] = "10.96.0.0/28"
    assert parse_spec(good, "lab.yml", offers).networks.service == "10.96.0.0/28"


def test_a_stored_lab_with_a_name_that_is_refused_today_can_still_be_ended(good, tmp_path):
    good["nodes"][1]["name"] = "workers"
    file = tmp_path / "lab.yml"
    file.write_text(yaml.safe_dump(good))
    assert [node.name for node in read_stored(file).spec.nodes][1] == "workers"
