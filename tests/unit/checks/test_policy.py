import re

import pytest

from provisioner.artifacts.offer import offers
from provisioner.catalog.load import load_catalog
from provisioner.checks.components import network_of
from provisioner.checks.policy import network_policy
from provisioner.checks.verify import CheckFailed, Cluster
from provisioner.shell import Result
from provisioner.spec import Weave, parse_spec


class FakeKubectl:
    """A cluster that keeps policies, and follows them or not."""

    def __init__(self, denies: bool, allows: bool, silent: bool) -> None:
        self.denies, self.allows, self.silent, self.policies = denies, allows, silent, set()

    def call(self, *words, check=True, stdin=None, timeout=60):
        if "apply" in words:
            self.policies.add(re.search(r"name: ([\w-]+)", stdin)[1])
        elif "delete" in words:
            self.policies.clear()
        elif "exec" in words:
            return self.answer()
        return Result((), 0, "", "")

    def answer(self):
        blocked = "deny-all" in self.policies and self.denies
        opened = "allow-ask" in self.policies and self.allows
        if self.silent:
            return Result((), 1, "", "error: unable to upgrade connection")
        said = "web-1\nasked\n" if opened or not blocked else "asked\n"
        return Result((), 0, said, "")


@pytest.fixture
def verified(good):
    def run(cni, *, denies, allows=True, silent=False):
        spec = parse_spec(good, "lab.yml", offers)
        spec = spec.model_copy(update={"cni": Weave(name="weave")}) if cni == "weave" else spec
        kubectl = FakeKubectl(denies, allows, silent)
        # No patience: what this cluster does, it does at once.
        components = [c.model_dump() for c in load_catalog({}).of_kind("cni") if c.name == cni]
        network = network_of(components)
        cluster = Cluster(spec, kubectl, None, "image", "asker", slowness=0, network=network)
        cluster.pods = [{"metadata": {"name": "web-1"}, "status": {"podIP": "10.244.1.2"}}]
        try:
            return network_policy(cluster)
        finally:
            assert not kubectl.policies

    return run


def test_policies_that_are_enforced_are_told(verified):
    assert verified("weave", denies=True) == "deny-all blocks, allow opens, from 3 nodes"


def test_a_network_that_does_not_enforce_is_no_fault(verified):
    assert verified("flannel", denies=False) == "not enforced: flannel has no NetworkPolicy"


def test_a_deny_that_weave_does_not_enforce_is_a_fault(verified):
    with pytest.raises(CheckFailed, match="despite a deny-all"):
        verified("weave", denies=False)


def test_an_allow_that_opens_nothing_is_a_fault(verified):
    with pytest.raises(CheckFailed, match="though a policy allows it"):
        verified("weave", denies=True, allows=False)


def test_a_pod_that_cannot_be_asked_is_not_taken_for_a_blocked_one(verified):
    with pytest.raises(CheckFailed, match="cannot be asked: error: unable to upgrade"):
        verified("weave", denies=True, silent=True)
