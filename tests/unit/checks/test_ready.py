"""Waiting for nodes, against a written stand-in for kubectl."""

import datetime

import pytest

from provisioner.checks.ready import wait_for_all, wait_for_dns, wait_for_nodes
from provisioner.errors import CommandError, LabError
from provisioner.shell import Result

SINCE = 1_700_000_000.0


class FakeKubectl:
    """Nodes with whether they are Ready, and when their kubelets were heard last."""

    def __init__(self, **nodes):
        self.nodes = nodes

    def get(self, *words, timeout):
        if words[0] == "nodes":
            return [self.node(name, ready) for name, (ready, _) in self.nodes.items()]
        return [self.lease(name, heard) for name, (_, heard) in self.nodes.items()]

    def node(self, name, ready):
        status = "True" if ready else "False"
        conditions = [{"type": "Ready", "status": status}]
        return {"metadata": {"name": name}, "status": {"conditions": conditions}}

    def lease(self, name, heard):
        moment = datetime.datetime.fromtimestamp(SINCE + heard, datetime.UTC)
        return {"metadata": {"name": name}, "spec": {"renewTime": moment.isoformat()}}


class Silent:
    def get(self, *words, timeout):
        raise CommandError("kubectl failed (exit code 1)", "connection refused")


def test_ready_nodes_with_a_new_heartbeat_are_enough():
    wait_for_nodes(FakeKubectl(one=(True, 1), two=(True, 2)), ["one", "two"], SINCE, 0)


@pytest.mark.parametrize(
    ("state", "said"), [((True, -1), "no heartbeat"), ((False, 1), "not Ready")]
)
def test_a_node_that_did_not_come_back_is_named_with_what_to_look_at(state, said):
    with pytest.raises(LabError) as caught:
        wait_for_nodes(FakeKubectl(one=(True, 1), two=state), ["one", "two"], SINCE, 0)
    assert caught.value.details.startswith("two: ")
    assert said in caught.value.details
    assert "kubelab ssh two" in caught.value.hint


def test_an_api_that_does_not_answer_is_told_as_such():
    with pytest.raises(LabError) as caught:
        wait_for_nodes(Silent(), ["one"], SINCE, 0)
    assert "the API server does not answer: connection refused" in caught.value.details
    assert "kubelab status" in caught.value.hint


def test_a_node_that_is_not_in_the_cluster_is_not_waited_for():
    wait_for_nodes(FakeKubectl(one=(True, 1)), ["one", "reset"], SINCE, 0)


def test_all_nodes_that_were_asked_for_are_there():
    wait_for_all(FakeKubectl(one=(True, -9), two=(True, -9)), ["two", "one"], 0)


@pytest.mark.parametrize(
    ("nodes", "said"), [({}, "two: not in the cluster"), ({"two": (False, 1)}, "two: not Ready")]
)
def test_a_node_that_was_asked_for_and_is_missing_is_named(nodes, said):
    with pytest.raises(LabError, match="lacks nodes of the spec") as caught:
        wait_for_all(FakeKubectl(one=(True, 1), **nodes), ["one", "two"], 0)
    assert caught.value.details == said
    assert "kubelab up" in caught.value.hint


def test_an_api_that_does_not_answer_has_no_nodes():
    with pytest.raises(LabError, match="lacks nodes") as caught:
        wait_for_all(Silent(), ["one"], 0)
    assert "the API server does not answer: connection refused" in caught.value.details


class FakeDns:
    """Pods of DNS by name: whether the API has them as Ready, and whether they answer."""

    def __init__(self, **pods):
        self.pods = pods

    def get(self, *words, timeout):
        return [self.pod(name, ready) for name, (ready, _) in self.pods.items()]

    def pod(self, name, ready):
        waiting = {} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": waiting}],
        }
        return {"metadata": {"name": name}, "spec": {"nodeName": "one"}, "status": status}

    def call(self, *words, check):
        if "logs" in words:
            line = '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone "."\n'
            return Result(words, 0, line * 2, "")
        (name,) = (name for name in self.pods if f"/{name}:8181/" in words[-1])
        return Result(words, 0 if self.pods[name][1] else 1, "", "")


def test_dns_is_well_if_a_pod_of_it_answers():
    assert wait_for_dns(FakeDns(a=(True, True), b=(True, True)), 0) == "2 of 2 pods"
    assert wait_for_dns(FakeDns(a=(True, True), b=(False, False)), 0) == "1 of 2 pods"


def test_a_dns_that_crashes_is_told_with_its_last_words():
    """The host's resolv.conf said 127.0.0.1: CoreDNS asked itself, and `start` said all is well."""
    with pytest.raises(LabError, match="DNS does not answer") as caught:
        wait_for_dns(FakeDns(a=(False, False), b=(False, False)), 0)
    first, loop = caught.value.details.splitlines()
    assert first == "a on one: CrashLoopBackOff; b on one: CrashLoopBackOff"
    assert loop.startswith("[FATAL] plugin/loop")


def test_a_pod_that_the_api_has_as_ready_from_before_has_to_answer():
    with pytest.raises(LabError):
        wait_for_dns(FakeDns(a=(True, False)), 0)


def test_a_cluster_without_dns_is_told():
    with pytest.raises(LabError) as caught:
        wait_for_dns(FakeDns(), 0)
    assert "no pod in kube-system has the label k8s-app=kube-dns" in caught.value.details
