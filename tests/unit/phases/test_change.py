import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from provisioner.artifact_record import ArtifactRecord
from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab
from provisioner.model import Artifact
from provisioner.phases.artifacts import _replaced
from provisioner.phases.request import CheckRequest
from provisioner.spec import parse_spec


def archive(path, name, content):
    """What podman saves, as far as names go; returns its SHA-256."""
    text = json.dumps([{"Config": f"{content}.json", "RepoTags": [name], "Layers": []}]).encode()
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def change(good):
    """Refuse or take a spec that differs by ``parts`` from the lab's own."""

    def refuse(recreate=False, **parts):
        lab = Lab("embedded")
        lab.prepare()
        lab.save_spec(parse_spec(good, "lab.yml", offers))
        other = parse_spec({**good, **parts}, "lab.yml", offers)
        CheckRequest(recreate).run(make_context(lab, other))

    return refuse


def test_another_network_is_refused_with_the_flag_that_allows_it(change):
    with pytest.raises(SpecError) as refused:
        change(cni={"name": "bridge"})
    assert "name flannel, backend vxlan" in refused.value.brief
    assert "cuts them off" in refused.value.details
    assert "--recreate-network" in refused.value.hint


def test_another_option_of_the_same_network_is_another_network(change):
    with pytest.raises(SpecError, match="another pod network"):
        change(cni={"name": "flannel", "backend": "host-gw"})


def test_the_flag_allows_another_network(change):
    change(recreate=True, cni={"name": "bridge"})


def test_the_flag_allows_nothing_else(change):
    with pytest.raises(SpecError, match="from another spec") as refused:
        change(recreate=True, cni={"name": "bridge"}, runtime={"cgroup_driver": "cgroupfs"})
    assert "runtime" in refused.value.details


def test_the_order_of_nodes_does_not_matter(change, good):
    more = {"name": "worker3", "role": "worker", "address": "10.77.0.13"}
    change(nodes=good["nodes"][::-1])
    change(nodes=[more, *good["nodes"]])


@pytest.mark.parametrize(
    ("index", "parts", "said"),
    [
        (1, {"name": "worker9"}, "nodes: worker1 is left out"),
        (1, {"address": "10.77.0.99"}, "nodes: worker1.address was 10.77.0.11"),
        (0, {"memory_mib": 8192}, "nodes: master.memory_mib was "),
    ],
)
def test_a_node_that_changed_is_named(change, good, index, parts, said):
    nodes = [{**node} for node in good["nodes"]]
    nodes[index] |= parts
    with pytest.raises(SpecError, match="from another spec") as refused:
        change(nodes=nodes[::-1])
    assert said in refused.value.details


def test_more_workers_need_no_flag(change, good):
    more = {"name": "worker3", "role": "worker", "address": "10.77.0.13"}
    change(nodes=[*good["nodes"], more])


def test_exposed_ports_may_change_and_nothing_else_of_the_provider(change):
    change(provider={"name": "machine", "expose": [6443, 30080]})
    change(provider={"name": "machine", "expose": ["all"]})
    with pytest.raises(SpecError, match="from another spec") as refused:
        change(provider={"name": "machine", "expose": [6443], "nat": False})
    assert "These parts differ: provider." in refused.value.details


def weave(folder, content):
    """A spec's overrides with both archives of Weave; ``content`` makes them differ."""
    builds = {}
    for name in ("weave-kube", "weave-npc"):
        file = folder / f"{name}-{content}.tar"
        sum_ = archive(file, f"docker.io/rajchaudhuri/{name}:2.8.10", content)
        builds[f"{name}-2.8.10"] = {"path": str(file), "sha256": sum_}
    return {"overrides": {"artifacts_builds": builds}}


@pytest.fixture
def replaced(good, tmp_path):
    """The lab of a spec with Weave takes other archives, and other ``parts``."""

    def take(**parts):
        before = {**good, "cni": {"name": "weave"}, "artifacts": weave(tmp_path, "old")}
        lab = Lab("embedded")
        lab.prepare()
        lab.save_spec(parse_spec(before, "lab.yml", offers))
        after = {**before, "artifacts": weave(tmp_path, "new"), **parts}
        return CheckRequest().run(make_context(lab, parse_spec(after, "lab.yml", offers))).said

    return take


def test_a_new_archive_of_the_same_image_is_taken(replaced):
    assert replaced() == "the lab can take it"


def test_an_image_with_another_content_is_told(tmp_path):
    rows = [{"kind": "image", "image": f"{name}:1", "sha256": "0" * 64} for name in ("x", "y")]
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": rows}))
    found = [
        Artifact(name, "image", "1", "", Path(), 1, sum_ * 64, f"{name}:1")
        for name, sum_ in (("x", "0"), ("y", "1"), ("z", "1"))
    ]
    before = ArtifactRecord(tmp_path, None, None)
    (told,) = _replaced(before, ArtifactSet(tmp_path, None, tuple(found)))
    assert told == "y:1 is replaced: archive 000000000000 by 111111111111"


def test_a_new_archive_of_another_image_is_refused(replaced, tmp_path):
    other = weave(tmp_path, "new")
    file = tmp_path / "other.tar"
    sum_ = archive(file, "rajchaudhuri/weave-kube:2.9.0", "")
    build = {"path": str(file), "sha256": sum_}
    other["overrides"]["artifacts_builds"]["weave-kube-2.8.10"] = build
    with pytest.raises(SpecError, match=r"other\.tar"):
        replaced(artifacts=other)


def test_another_way_to_the_same_downloads_is_no_other_lab(change):
    mirrors = {"https://dl.k8s.io": "https://mirror.example.org"}
    change(artifacts={"mirrors": mirrors, "registry_mirror": {"ghcr.io": "https://m.example.org"}})


@pytest.mark.parametrize(
    "artifacts",
    [
        {"source": "upstream"},
        {"proxy": "http://proxy.example.org"},
        {"registry_mirror": "https://mirror.example.org"},
        {"overrides": {"artifacts_layers": {"base": {"links": {"usr/bin/x": "busybox"}}}}},
        {"overrides": {"artifacts_machine_root": {"packages": ["systemd"]}}},
    ],
)
def test_other_builds_and_what_is_written_on_nodes_make_another_lab(change, artifacts):
    with pytest.raises(SpecError, match="from another spec"):
        change(artifacts=artifacts)


def test_a_lab_takes_other_mirrors_also_for_the_packages_of_its_nodes(good):
    good["provider"] = {"name": "vagrant", "box": {"name": "centos7", "baked": False}}
    lab = Lab("embedded")
    lab.prepare()
    lab.save_spec(parse_spec(good, "lab.yml", offers))
    good["artifacts"] = {"mirrors": {"https://vault.centos.org": "http://mirror.lan"}}
    CheckRequest().run(make_context(lab, parse_spec(good, "lab.yml", offers)))
