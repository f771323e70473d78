"""Recipes on machines that are only told of: what is made, in which order, and what is asked."""

from dataclasses import replace

import pytest
from ansible.parsing.dataloader import DataLoader

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import offers
from provisioner.context import Context, make_context
from provisioner.errors import HostError, LabError
from provisioner.lab import Lab
from provisioner.model import Finding, Traits
from provisioner.phases.artifacts import BuildArtifacts, TakeArtifacts
from provisioner.phases.base import Done, Phase, run_recipe
from provisioner.phases.cluster import RunPlaybook
from provisioner.phases.host import InstallHostPackages
from provisioner.phases.nodes import CompareNodes, WaitForDns
from provisioner.queries.plan import plan_of
from provisioner.queries.status import status_of
from provisioner.recipes import (
    DESTROY,
    RECREATE_NETWORK,
    START,
    STOP,
    UP,
    rejoin_recipe,
    restore_recipe,
    save_recipe,
)
from provisioner.spec import parse_spec
from tests.fakes import FakeProvider, Untouchable


class Given(Phase):
    """Artifacts that somebody built."""

    key = "artifacts"
    title = "Artifacts"

    def __init__(self, folder):
        self.folder = folder

    def run(self, context):
        tree = self.folder / "machine-root@0a1b/tree"
        return Done("given", artifacts=ArtifactSet(self.folder / "sets/key", tree, ()))


@pytest.fixture
def context(good, tmp_path) -> Context:
    spec = parse_spec(good, "lab.yml", offers)
    lab = Lab(spec.name)
    traits = Traits(host_folders=True)
    return Context(lab, spec, FakeProvider(spec.machines, lab.dir / "ssh", traits), lambda _: None)


@pytest.fixture
def machines_of(tmp_path):
    """A recipe without what builds, installs, or runs Ansible."""

    def machines_of(recipe):
        given = [
            Given(tmp_path) if isinstance(phase, BuildArtifacts | TakeArtifacts) else phase
            for phase in recipe
        ]
        apart = InstallHostPackages | RunPlaybook | CompareNodes
        return [p for p in given if not isinstance(p, apart)]

    return machines_of


@pytest.fixture
def run(context, machines_of):
    return lambda recipe: run_recipe(machines_of(recipe), context)


def states(context):
    return [machine.state for machine in context.provider.machines()]


def test_up_makes_machines_and_writes_an_inventory_of_how_they_are_reached(context, run):
    outcome = run(UP)
    assert states(context) == ["running"] * 3
    said = {time.key: time.outcome for time in outcome.times}
    assert said["machines"] == "3 started"
    assert said["inventory"] == "written"
    variables = DataLoader().load(context.lab.inventory.read_text())["cluster"]["vars"]
    assert variables["ansible_ssh_private_key_file"] == str(context.provider.access.key)


def test_a_second_up_starts_and_writes_nothing(run):
    run(UP)
    said = {time.key: time.outcome for time in run(UP).times}
    assert said["machines"] == "3 running"
    assert said["inventory"] == "unchanged"
    assert said["spec"] == "nothing to do"


def test_up_starts_what_was_stopped(context, run):
    run(UP)
    run(STOP)
    assert states(context) == ["stopped"] * 3
    run(START)
    assert states(context) == ["running"] * 3


@pytest.mark.parametrize("recipe", [START, rejoin_recipe("worker1")], ids=["start", "rejoin"])
def test_a_machine_that_is_gone_is_the_work_of_up(context, run, recipe):
    run(UP)
    run(STOP)
    del context.provider.made["worker1"]
    with pytest.raises(LabError, match="lacks machines: worker1\n") as refused:
        run(recipe)
    assert f"kubelab up --name {context.lab.name}" in refused.value.hint
    assert states(context) == ["stopped", "absent", "stopped"]
    run(UP)
    run(START)
    assert states(context) == ["running"] * 3


def test_a_lab_comes_back_to_its_snapshot(context, run):
    run(UP)
    run(save_recipe("one"))
    run(STOP)
    (restored, *waited) = run(restore_recipe("one")).times
    assert restored.outcome == "one"
    # There is no cluster that could be waited for.
    assert {time.outcome for time in waited} == {"nothing to do"}
    assert states(context) == ["running"] * 3


def test_a_restore_brings_back_the_kubeconfig_of_the_cluster_that_was_saved(context, run):
    run(UP)
    run(save_recipe("without"))
    master = context.provider.made["master"]
    master.files["/etc/kubernetes/admin.conf"] = "first"
    run(save_recipe("one"))
    # Another cluster was made meanwhile, with keys of its own.
    context.lab.kubeconfig.write_text("second")
    run(restore_recipe("one")[:1])
    assert context.lab.kubeconfig.read_text() == "first"
    run(restore_recipe("without"))
    assert not context.lab.kubeconfig.exists()


def test_machines_that_were_stopped_are_named_after_a_restore(run):
    run(UP)
    run(STOP)
    run(save_recipe("off"))
    assert (
        "stopped as saved: master, worker1, worker2" in run(restore_recipe("off")).times[0].outcome
    )


def test_a_provider_without_snapshots_is_told_of_in_words(context, run):
    context.provider.snapshots = None
    for recipe in (save_recipe("one"), restore_recipe("one")):
        with pytest.raises(LabError, match="has no snapshots") as caught:
            run(recipe)
        assert "fake" in caught.value.details


def test_destroy_leaves_no_machine_and_no_folder(context, run):
    run(UP)
    run(DESTROY)
    assert states(context) == ["absent"] * 3
    assert not context.lab.dir.exists()


def test_a_host_that_cannot_serve_is_refused_before_anything_is_made(context, machines_of):
    findings = [Finding("disk", False, "1 GiB free", hint="Make room.")]
    provider = Untouchable(context.spec.machines, context.lab.dir / "ssh", findings=findings)
    with pytest.raises(HostError, match="disk") as caught:
        run_recipe(machines_of(UP), replace(context, provider=provider))
    assert caught.value.hint == "Make room."
    assert not context.lab.dir.exists()


def test_plan_and_status_change_nothing(context):
    provider = Untouchable(context.spec.machines, context.lab.dir / "ssh")
    dry = replace(context, provider=provider)
    steps = plan_of(dry)
    assert [step.name for step in steps if step.kind == "machine"] == [
        "master",
        "worker1",
        "worker2",
    ]
    assert status_of(dry)["phase"] == "absent"
    assert not context.lab.dir.exists()


def test_the_provider_of_a_profile_is_made_without_asking_this_host(good, monkeypatch):
    monkeypatch.setenv("PATH", "")
    context = make_context(Lab("embedded"), parse_spec(good, "lab.yml", offers))
    assert context.provider.name == "machine"


@pytest.mark.parametrize("recipe", [UP, RECREATE_NETWORK])
def test_up_ends_by_comparing_the_nodes_with_those_that_were_asked_for(recipe):
    assert isinstance(recipe[-2], CompareNodes)


@pytest.mark.parametrize("recipe", [UP, RECREATE_NETWORK, START, restore_recipe("one")])
def test_nothing_is_well_before_dns_answers(recipe):
    assert isinstance(recipe[-1], WaitForDns)


def test_up_of_a_cluster_that_lacks_a_node_fails(context, monkeypatch):
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    found = [{"metadata": {"name": name}, "status": ready} for name in ("master", "worker2")]
    monkeypatch.setattr("provisioner.checks.kubectl.Kubectl.get", lambda *_, **__: found)
    monkeypatch.setattr("provisioner.phases.nodes.SETTLE_SECONDS", 0)
    with pytest.raises(LabError) as refused:
        run_recipe([CompareNodes()], context)
    assert refused.value.details.splitlines()[0] == "worker1: not in the cluster"
    assert "worker1: no answer of the machine: worker1 cannot be reached" in refused.value.details
