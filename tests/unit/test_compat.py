import json
import re
from itertools import product
from pathlib import Path

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from provisioner import compat
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.catalog.load import load_catalog
from provisioner.cli import app
from provisioner.compat import (
    FACTS,
    LINES,
    OSES,
    RULES,
    broken_by,
    broken_on,
    conflicts_of,
    follows,
)
from provisioner.errors import SpecError
from provisioner.spec import Artifacts, parse_spec

PAGE = Path(__file__).parents[2] / "docs/compat.md"
OFFERED = ("1.20.2", "1.31.14")
CENTOS7 = {**OSES["centos7"], "os": "centos7", "runtime": "docker"}
V2, V3, V4 = (f"kubeadm.k8s.io/v1beta{n}" for n in (2, 3, 4))

# Facts, and what is said of them.
IMPOSSIBLE = [
    (
        {**CENTOS7, "kubernetes": "1.36.0"},
        "Kubernetes 1.36.0 on centos7: kubelet 1.35 and later refuses cgroup v1;"
        " use 1.31.14, or another OS",
    ),
    ({**CENTOS7, "kubernetes": "1.35.0"}, "refuses cgroup v1; use 1.31.14"),
    ({**CENTOS7, "kubernetes": "1.32.0"}, "kernel older than 4.19; use 1.31.14, or another OS"),
    ({**CENTOS7, "kubernetes": "1.33.12"}, "kernel older than 4.19; use 1.31.14, or another OS"),
    ({"kubernetes": "1.31.14", "cri": "dockershim"}, "no dockershim; use cri-dockerd"),
    ({"kubernetes": "1.24.0", "cri": "dockershim"}, "no dockershim; use cri-dockerd"),
    ({"kubernetes": "1.30.9", "kubeadm_api": V4}, f"from 1.31 on; use {V3}"),
    ({"kubernetes": "1.20.2", "kubeadm_api": V3}, f"from 1.22 on; use {V2}"),
    ({"kubernetes": "1.31.14", "kubeadm_api": V2}, f"does not read v1beta2; use {V3}"),
    ({"kubernetes": "1.27.0", "kubeadm_api": V2}, f"does not read v1beta2; use {V3}"),
    ({"kubernetes": "1.20.2", "coredns": "1.11.3"}, "EndpointSlice v1, which"),
    ({"kubernetes": "1.20.2", "cni_version": "0.4.0", "cni_plugin": "1.0.0"}, "CNI 0.4.0 at most"),
    ({"kubernetes": "1.31.14", "cni_version": "1.0.0", "cni_plugin": "1.1.0"}, "CNI 1.0.0 at most"),
    ({"kubernetes": "1.20.2", "kubernetes-dashboard": "2.7.0"}, "CronJobs of batch/v1"),
    ({**CENTOS7, "docker": "27.0.1"}, "docker 27.0.1 on centos7"),
    ({**CENTOS7, "runtime": "containerd"}, "runtime containerd on centos7"),
    ({**CENTOS7, "weave": "2.9.0"}, "Weave 2.9.0 on centos7"),
    (
        {**CENTOS7, "weave_iptables": "nft"},
        "iptables_backend nft on centos7: rules of nft and of the system's own iptables do not see"
        " each other there; use legacy, or another OS",
    ),
    ({**CENTOS7, "ansible_core": "2.17.14"}, "needs Python 3.7 on a target; use 2.16, or another"),
]


@pytest.mark.parametrize(("facts", "said"), IMPOSSIBLE)
def test_an_impossible_combination_is_refused_with_the_nearest_that_works(facts, said):
    assert [text for text in map(str, conflicts_of(facts, OFFERED)) if said in text]


def test_the_table_above_breaks_every_rule():
    broken = [rule for facts, _ in IMPOSSIBLE for rule in broken_by(facts)]
    assert [rule.why for rule in RULES if rule not in broken] == []


def test_every_rule_has_a_source_and_known_facts():
    for rule in RULES:
        assert rule.source
        assert rule.fact in rule.when
        assert set(rule.when) <= set(FACTS)
        assert rule.instead or rule.fact == "kubernetes"


@pytest.mark.parametrize(
    "facts",
    [
        {**CENTOS7, "kubernetes": "1.31.14", "cri": "cri-dockerd", "kubeadm_api": V4},
        {**CENTOS7, "kubernetes": "1.20.2", "cri": "dockershim", "coredns": "1.10.1"},
        {"kubernetes": "1.20.2", "cni_version": "0.4.0", "cni_plugin": "0.3.0"},
        {"kubernetes": "1.20.2", "kubernetes-dashboard": "2.6.0"},
        {"kubernetes": "1.21.0", "kubernetes-dashboard": "2.7.0"},
        {**CENTOS7, "weave": "2.8.10", "ansible_core": "2.16.19"},
        {**CENTOS7, "weave_iptables": "legacy"},
        {**CENTOS7, "weave_iptables": "auto"},
        {**OSES["debian12"], "os": "debian12", "weave_iptables": "nft"},
        {**OSES["rocky9"], "os": "rocky9", "kubernetes": "1.36.1", "ansible_core": "2.18.0"},
    ],
)
def test_what_works_breaks_no_rule(facts):
    assert broken_by(facts) == []


def test_centos7_ends_with_1_31_but_for_one_line_that_only_warns():
    working = [line for line in LINES if not broken_on("centos7", line)]
    assert working == [*(f"1.{n}" for n in range(20, 32)), "1.34"]


def test_the_nearest_that_works_is_named_only_if_there_is_one():
    said = [str(c) for c in conflicts_of({**CENTOS7, "kubernetes": "1.36.0"}, ["1.35.1"])]
    assert said == [
        "Kubernetes 1.36.0 on centos7: kubelet 1.35 and later refuses cgroup v1; use another OS"
    ]


# Versions of Kubernetes that a catalogue could have, on both boxes.
PAIRS = [
    (box, f"1.{minor}.0")
    for box, minor in product(("centos7", "debian12"), range(20, 38))
    if broken_on(box, f"1.{minor}.0")
]


@pytest.mark.parametrize(("box", "version"), PAIRS)
def test_every_impossible_pair_is_refused_in_a_spec(good, box, version):
    good["kubernetes"]["version"] = version
    good["provider"] = {"name": "vagrant", "box": {"name": box, "baked": False}}
    with pytest.raises(SpecError) as refused:
        parse_spec(good, "lab.yml", offers)
    assert refused.value.exit_code == 2
    pattern = rf"kubernetes\.version = '{version}': Kubernetes {version} on {box}: .*; use 1\."
    assert re.search(pattern, refused.value.details)


def test_a_pod_network_that_kubelet_cannot_read_is_refused_in_a_spec(good):
    settings = {"cni_versions": ["1.0.0"]}
    good["artifacts"]["overrides"] = {"artifacts_cni_flannel": {"settings": settings}}
    with pytest.raises(SpecError) as refused:
        parse_spec(good, "lab.yml", offers)
    assert (
        "cni.name = '1.0.0': oldest CNI version of the pod network 1.0.0" in refused.value.details
    )


def test_every_version_of_kubernetes_and_every_pod_network_says_which_cni_it_knows():
    catalog = load_catalog({})
    for kubernetes in catalog.of_kind("kubernetes"):
        default = follows(kubernetes.version)["cni_version"]
        assert kubernetes.settings["cni_version"] == default, kubernetes.version
    for network in catalog.of_kind("cni"):
        spoken = network.settings["cni_versions"]
        assert spoken == sorted(spoken, key=Version), network.name


@pytest.mark.parametrize("kubernetes", ["1.20.2", "1.31.14"])
@pytest.mark.parametrize("source", ["packages", "upstream"])
def test_weave_is_asked_for_a_cni_that_each_of_its_releases_speaks(source, kubernetes):
    catalog = workshop_of(Artifacts(source=source)).catalog
    weave = next(network for network in catalog.of_kind("cni") if network.name == "weave")
    reads = Version(follows(kubernetes)["cni_version"])
    told = max(v for v in map(Version, weave.settings["cni_versions"]) if v <= reads)
    assert told <= Version("0.3.0") or Version(weave.version) >= Version("2.8.4")


def test_there_are_impossible_pairs():
    assert ("centos7", "1.36.0") in PAIRS


def test_the_page_is_written_from_the_data():
    assert PAGE.read_text() == compat.page()


def test_the_command_prints_the_matrix_as_json():
    done = CliRunner().invoke(app, ["compat", "--json"])
    found = json.loads(done.output)
    assert "cgroup v1" in found["matrix"]["centos7"]["1.36"]
    assert found["matrix"]["centos7"]["1.31"] == ""
    assert len(found["rules"]) == len(RULES)
