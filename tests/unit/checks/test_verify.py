import pytest

from provisioner.artifacts.catalog import known_by
from provisioner.checks import verify
from provisioner.checks.verify import Cluster
from provisioner.errors import LabError
from provisioner.shell import Result
from provisioner.spec import parse_spec

EARLY = (
    'pods "ask-master" is forbidden: error looking up service account kubelab-verify/default:'
    ' serviceaccount "default" not found'
)


class FakeKubectl:
    """An API server that refuses the workload as often as there are ``refusals``."""

    def __init__(self, refusals):
        self.refusals, self.applied = list(refusals), 0

    def call(self, *words, check=True, stdin=None, timeout=60):
        if "apply" in words:
            self.applied += 1
            if self.refusals:
                raise LabError("kubectl failed", self.refusals.pop(0))
        return Result((), 0, "", "")


@pytest.fixture
def run(good, monkeypatch):
    monkeypatch.setattr(verify.time, "sleep", lambda _: None)

    def run(kubectl, slowness=1):
        cluster = Cluster(parse_spec(good, "lab.yml", known_by), kubectl, None, "image", slowness)
        return verify.verify(cluster, {}, {"asked": lambda _: "well"}, lambda _: None)

    return run


def test_a_namespace_without_its_account_is_waited_for(run):
    kubectl = FakeKubectl([EARLY, EARLY])
    assert [finding.ok for finding in run(kubectl)] == [True]
    assert kubectl.applied == 3


def test_the_wait_has_an_end(run):
    with pytest.raises(LabError) as refused:
        run(FakeKubectl([EARLY] * 9), slowness=0)
    assert "kubelab-verify/default" in refused.value.details


def test_another_refusal_is_told_at_once(run):
    kubectl = FakeKubectl(["no route to host"])
    with pytest.raises(LabError, match="kubectl failed"):
        run(kubectl)
    assert kubectl.applied == 1
