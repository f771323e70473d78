"""The phase that sets a cluster up, with playbooks and machines that are not there."""

import pytest

from provisioner.artifacts.offer import offers
from provisioner.checks.fingerprint import Fingerprint
from provisioner.context import make_context
from provisioner.errors import LabError
from provisioner.lab import Lab, profiles
from provisioner.phases import cluster
from provisioner.phases.base import Done
from provisioner.spec import read_spec


@pytest.fixture
def set_up(monkeypatch):
    """The phase, what it finds, and how often it ran the playbook."""

    class SetUp:
        found: Fingerprint | None = {"master": ["file /etc/hosts 1.5"]}  # noqa: RUF012
        runs = 0

        def run(self):
            return cluster.SetUpCluster().run(context)

        def inventory(self, text):
            lab.write(lab.inventory, text)

    def taken(*_, well):
        if set_up.found is None:
            raise LabError("worker1: not ready")
        return set_up.found

    def playbook(*_):
        set_up.runs += 1
        return Done("changed=3")

    set_up, lab = SetUp(), Lab("embedded")
    monkeypatch.setattr(cluster, "take", taken)
    monkeypatch.setattr(cluster.RunPlaybook, "run", playbook)
    lab.prepare()
    set_up.inventory("first")
    context = make_context(lab, read_spec(profiles()["embedded"], offers))
    return set_up


def test_roles_run_until_all_is_as_they_left_it(set_up):
    assert set_up.run().said == "changed=3"
    assert set_up.run().said.startswith("changed=0")
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
