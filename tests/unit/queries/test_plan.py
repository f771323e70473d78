"""The plan of CentOS 7: whole, and nothing is touched for it."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab, profiles
from provisioner.phases.artifacts import BuildArtifacts
from provisioner.phases.request import CheckRequest
from provisioner.queries.plan import plan_of
from provisioner.spec import parse_spec, read_spec


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What registries say of an image: all have the digest that is pinned, or one to lock."""
    says = {}
    answer = lambda place, reference, version, route: says.get(reference, version)  # noqa: E731
    monkeypatch.setattr("provisioner.artifacts.image_pins.ask", answer)
    monkeypatch.setattr("provisioner.artifacts.registry.ask", answer)
    return says


@pytest.fixture
def context():
    return make_context(Lab("c7"), read_spec(profiles()["centos7"], offers), lambda _: None)


@pytest.fixture
def steps(context):
    return plan_of(context)


def test_all_that_is_fetched_has_name_version_address_and_sum(steps):
    files = [step for step in steps if step.kind in ("file", "box")]
    assert len(files) == 6
    for step in files:
        assert step.name
        assert step.version
        assert step.source.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", step.sha256), step.name


def test_nothing_is_built(steps):
    assert {s.kind for s in steps} == {
        *("host", "file", "image", "box", "repository", "package", "machine", "network"),
        "cluster",
    }
    assert not [s for s in steps if s.state == "to build"]
    assert not {"gcc", "golang-go", "debootstrap"} & {s.name for s in steps}
    assert "skopeo" in {s.name for s in steps}


def test_weave_and_the_dashboard_come_with_their_digests(steps):
    images = {step.source: step for step in steps if step.kind == "image"}
    for name in ("weaveworks/weave-kube", "weaveworks/weave-npc", "kubernetesui/dashboard"):
        assert re.fullmatch("[0-9a-f]{64}", images[f"docker.io/{name}"].sha256), name
    applied = {s.name for s in steps if s.kind == "cluster" and s.state == "applied"}
    assert applied == {"weave", "kubernetes-dashboard"}


def test_weave_on_debian_needs_no_override_and_has_the_dashboard_for_its_kubernetes(registries):
    lock = "docker.io/kubernetesui/dashboard:v2.6.0"
    registries[lock] = f"sha256:{'d' * 64}"
    spec = read_spec(profiles()["debian12-weave"], offers)
    assert spec.artifacts.overrides == {}
    steps = plan_of(make_context(Lab("weave"), spec, lambda _: None))
    images = {s.source: s for s in steps if s.kind == "image"}
    for name in ("weave-kube", "weave-npc"):
        assert images[f"docker.io/weaveworks/{name}"].state == "to fetch"
    page = images["docker.io/kubernetesui/dashboard"]
    assert (page.version, page.state, page.sha256) == ("v2.6.0", "to fetch and to lock", "d" * 64)
    applied = {s.name for s in steps if s.kind == "cluster" and s.state == "applied"}
    assert applied == {"weave", "kubernetes-dashboard"}


def test_packages_of_a_host_come_by_its_own_package_manager(context, tmp_path, monkeypatch):
    (tmp_path / "dnf").write_text("#!/bin/sh\n")
    (tmp_path / "rpm").write_text("#!/bin/sh\necho skopeo installed\n")
    for name in ("dnf", "rpm"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = {s.name: (s.source, s.state) for s in plan_of(context) if s.kind == "host"}
    assert rows["skopeo"] == ("dnf", "installed")
    assert rows["qemu-kvm"] == ("dnf", "to install")


def test_an_image_without_a_digest_is_told_with_the_one_to_lock(context, registries):
    name = "registry.k8s.io/kube-proxy:v1.31.14"
    registries[name] = f"sha256:{'c' * 64}"
    (row,) = [s for s in plan_of(context) if s.source == "registry.k8s.io/kube-proxy"]
    assert (row.state, row.sha256) == ("to fetch and to lock", "c" * 64)


def test_the_profile_needs_no_overrides_and_writes_legacy_rules(context):
    assert context.spec.artifacts.overrides == {}
    assert context.spec.cni.iptables_backend == "legacy"


def test_packages_of_nodes_are_told_with_where_they_come_from(steps):
    packages = {s.name: s.version for s in steps if s.kind == "package"}
    assert packages["docker-ce"] == "26.1.4-1.el7"
    repositories = [s for s in steps if s.kind == "repository"]
    assert {s.name for s in repositories} == {"base", "updates", "extras", "docker-ce-stable"}
    assert all(s.state.startswith("signed with ") for s in repositories)


def test_nothing_is_written(steps, tmp_path):
    assert steps
    assert not (tmp_path / "labs").exists()
    assert not Path(tmp_path / "cache").exists()


@pytest.fixture
def without_sum():
    whole = yaml.safe_load(profiles()["centos7"].read_text())
    whole["artifacts"]["overrides"] = {"artifacts_boxes": {"centos7": {"file": {"sha256": ""}}}}
    return make_context(Lab("c7"), parse_spec(whole, "lab.yml", offers), lambda _: None)


def test_a_box_without_a_sum_is_told_as_such(without_sum):
    steps = plan_of(without_sum)
    assert [s.name for s in steps if s.state == "SHA-256 missing"] == ["centos/7"]


def test_up_refuses_a_box_without_a_sum_before_anything_is_made(without_sum):
    with pytest.raises(SpecError, match=r"artifacts_boxes\.centos7\.file\.sha256"):
        CheckRequest().run(without_sum)


def test_a_file_that_is_no_archive_is_refused_as_up_would(good, tmp_path):
    junk = tmp_path / "headlamp.tar"
    junk.write_text("junk")
    build = {"path": str(junk), "sha256": hashlib.sha256(b"junk").hexdigest()}
    good["dashboard"] = "headlamp"
    good["artifacts"]["overrides"] = {"artifacts_builds": {"headlamp-0.44.0": build}}
    spec = parse_spec(good, "lab.yml", offers)
    with pytest.raises(SpecError, match=r"headlamp-0\.44\.0\.path: .*headlamp\.tar") as refused:
        plan_of(make_context(Lab("junk"), spec, lambda _: None))
    assert "not an image archive" in refused.value.details


def test_up_takes_the_profile_as_it_is(context):
    CheckRequest().run(context)


def test_building_refuses_it_too(without_sum):
    with pytest.raises(SpecError, match=r"artifacts_boxes\.centos7\.file\.sha256"):
        BuildArtifacts().run(without_sum)
