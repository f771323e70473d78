"""The plan of CentOS 7: whole, and nothing is touched for it."""

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


@pytest.fixture
def context():
    return make_context(Lab("c7"), read_spec(profiles()["centos7"], offers), lambda _: None)


@pytest.fixture
def steps(context):
    return plan_of(context)


def test_all_that_is_fetched_has_name_version_address_and_sum(steps):
    files = [step for step in steps if step.kind in ("file", "box")]
    assert len(files) == 11
    for step in files:
        assert step.name
        assert step.version
        assert step.source.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", step.sha256), step.name


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
    whole["artifacts"]["overrides"]["artifacts_boxes"] = {"centos7": {"file": {"sha256": ""}}}
    return make_context(Lab("c7"), parse_spec(whole, "lab.yml", offers), lambda _: None)


def test_a_box_without_a_sum_is_told_as_such(without_sum):
    steps = plan_of(without_sum)
    assert [s.name for s in steps if s.state == "SHA-256 missing"] == ["centos/7"]


def test_up_refuses_a_box_without_a_sum_before_anything_is_made(without_sum):
    with pytest.raises(SpecError, match=r"artifacts_boxes\.centos7\.file\.sha256"):
        CheckRequest().run(without_sum)


def test_up_takes_the_profile_as_it_is(context):
    CheckRequest().run(context)


def test_building_refuses_it_too(without_sum):
    with pytest.raises(SpecError, match=r"artifacts_boxes\.centos7\.file\.sha256"):
        BuildArtifacts().run(without_sum)
