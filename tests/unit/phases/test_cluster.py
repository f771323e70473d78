from dataclasses import replace

import pytest
import yaml

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.catalog.load import known_by
from provisioner.checks.fingerprint import Fingerprint
from provisioner.errors import LabError
from provisioner.lab import Lab, profiles
from provisioner.phases import cluster
from provisioner.phases.cluster import WriteInventory
from provisioner.phases.machines import make_context
from provisioner.spec import parse_spec


@pytest.fixture
def written(tmp_path):
    """The variables of the inventory that a spec leads to."""

    def written(name, **artifacts):
        data = yaml.safe_load(profiles()[name].read_text())
        data["provider"]["driver"] = "kvm"
        data["artifacts"] |= artifacts
        spec = parse_spec(data, name, known_by)
        lab = Lab(name)
        lab.prepare()
        context = make_context(lab, spec, lambda _: None)
        context = replace(context, artifacts=ArtifactSet(tmp_path, None, ()))
        WriteInventory().run(context)
        return yaml.safe_load(lab.inventory.read_text())["cluster"]["vars"]

    return written


def test_centos7_is_reached_by_the_python_that_its_yum_has(written):
    assert written("centos7")["ansible_python_interpreter"] == "/usr/bin/python2.7"
    assert written("debian12")["ansible_python_interpreter"] == "/usr/bin/python3"


def test_a_mirror_and_a_proxy_of_the_spec_reach_the_nodes(written):
    found = written("centos7", proxy="http://proxy:3128/", registry_mirror="https://mirror.lan")
    assert found["node_proxy"] == "http://proxy:3128"
    assert found["docker_daemon_extra"] == {"registry-mirrors": ["https://mirror.lan"]}


def test_the_profile_of_centos7_writes_legacy_rules(written):
    links = written("centos7")["artifacts_layers"]["net"]["links"]
    assert set(links.values()) == {"xtables-legacy-multi"}


@pytest.fixture
def set_up(tmp_path, monkeypatch):
    """The phase, what it finds, and how often it ran the playbook."""

    class SetUp:
        found: Fingerprint | None = {"master": ["file /etc/hosts 1.5"]}  # noqa: RUF012
        runs = 0

        def run(self):
            return cluster.SetUpCluster().run(context)

        def inventory(self, text):
            lab.write(lab.inventory, text)

    def taken(*_):
        if set_up.found is None:
            raise LabError("worker1: not ready")
        return set_up.found

    def playbook(*_):
        set_up.runs += 1
        return "changed=3"

    set_up, lab = SetUp(), Lab("embedded")
    monkeypatch.setattr(cluster, "take", taken)
    monkeypatch.setattr(cluster.RunPlaybook, "run", playbook)
    lab.prepare()
    set_up.inventory("first")
    spec = parse_spec(yaml.safe_load(profiles()["embedded"].read_text()), "embedded", known_by)
    context = make_context(lab, spec, lambda _: None)
    return set_up


def test_roles_run_until_all_is_as_they_left_it(set_up):
    assert set_up.run() == "changed=3"
    assert set_up.run().startswith("changed=0")
    assert set_up.runs == 1


@pytest.mark.parametrize("now", [{"master": ["file /etc/hosts 2.5"]}, None], ids=["touched", "ill"])
def test_roles_run_again_where_something_is_not_as_it_was(set_up, now):
    set_up.run()
    set_up.found = now
    set_up.run()
    assert set_up.runs == 2


def test_roles_run_again_when_they_are_told_something_else(set_up):
    set_up.run()
    set_up.inventory("second")
    set_up.run()
    assert set_up.runs == 2


def test_what_a_failed_run_left_is_not_what_the_next_one_compares_with(set_up, monkeypatch):
    set_up.run()

    def fails(*_):
        raise LabError("a task failed")

    monkeypatch.setattr(cluster.RunPlaybook, "run", fails)
    set_up.inventory("second")
    with pytest.raises(LabError):
        set_up.run()
    set_up.inventory("first")
    with pytest.raises(LabError):
        set_up.run()
