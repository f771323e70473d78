import pytest

from provisioner.artifacts.offer import offers
from provisioner.checks import questions, verify
from provisioner.checks.components import network_of
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
        cluster = Cluster(
            parse_spec(good, "lab.yml", offers), kubectl, None, "image", "asker", slowness
        )
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


class FarKubectl:
    """An API server behind another host: one pod asks, and gets ``answers``."""

    through = ("ssh", "far")

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def get(self, *words):
        return [{"spec": {"clusterIP": "10.96.0.9", "ports": [{"nodePort": 30123}]}}]

    def call(self, *words, check=True, stdin=None, timeout=60):
        self.asked += [word for word in words if word.startswith("http")]
        return Result((), 0, self.answers, "")


@pytest.fixture
def far(good):
    def ask(answers):
        kubectl = FarKubectl(answers)
        cluster = Cluster(parse_spec(good, "lab.yml", offers), kubectl, None, "image", "asker")
        return kubectl, cluster

    return ask


def test_node_ports_of_machines_that_this_host_does_not_reach_are_asked_for_from_a_pod(far, good):
    kubectl, cluster = far("web-1\n" * len(good["nodes"]))
    assert "from a pod" in questions.node_port(cluster)
    assert kubectl.asked == [f"http://{node['address']}:30123/" for node in good["nodes"]]


def test_a_node_whose_port_does_not_answer_that_pod_is_named(far, good):
    _, cluster = far("web-1\n")
    with pytest.raises(verify.CheckFailed, match=f"no answer from {good['nodes'][1]['name']}"):
        questions.node_port(cluster)


def test_a_silent_api_server_is_asked_nothing_more(good):
    asked = []

    def silent(_):
        raise verify.NoAnswer("etcd does not run")

    def other(_):
        asked.append(1)
        return "well"

    cluster = Cluster(parse_spec(good, "lab.yml", offers), FakeKubectl([]), None, "image", "asker")
    basic = {"machines": other, "control-plane": silent, "nodes-ready": other}
    found = verify.verify(cluster, basic, {"deployment": other}, lambda _: None)
    assert [finding.name for finding in found] == ["machines", "control-plane"]
    assert found[-1].detail == "etcd does not run"
    assert asked == [1]


class Objects:
    """An API server with these objects of kube-system."""

    def __init__(self, *names, services="service/kubernetes", daemons=1):
        self.names, self.services, self.daemons = names, services, daemons

    def call(self, *words, check=True):
        there = self.names if "kube-system" in words else [self.services]
        return Result((), 0, "\n".join(there), "")

    def get(self, *words):
        return [{}] * self.daemons


@pytest.mark.parametrize("missing", questions.OBJECTS)
def test_an_object_that_is_missing_is_named(good, missing):
    kubectl = Objects(*set(questions.OBJECTS) - {missing})
    cluster = Cluster(parse_spec(good, "lab.yml", offers), kubectl, None, "image", "asker")
    with pytest.raises(verify.CheckFailed, match=f"{missing} of kube-system is not there"):
        questions.system_objects(cluster)


def test_the_pod_network_and_the_service_of_the_api_are_missed_too(good):
    kubectl = Objects(*questions.OBJECTS, services="", daemons=0)
    cluster = Cluster(parse_spec(good, "lab.yml", offers), kubectl, None, "image", "asker")
    with pytest.raises(verify.CheckFailed, match=r"service/kubernetes .* network flannel"):
        questions.system_objects(cluster)


def test_a_pod_network_without_pods_is_no_missing_daemon(good):
    kubectl = Objects(*questions.OBJECTS, daemons=0)
    network = network_of([{"kind": "cni", "settings": {"pods": False, "of a later version": 1}}])
    spec = parse_spec(good, "lab.yml", offers)
    cluster = Cluster(spec, kubectl, None, "image", "asker", network=network)
    assert questions.system_objects(cluster).startswith("6 of kubeadm")


def test_all_objects_are_enough(good):
    kubectl = Objects(*questions.OBJECTS)
    cluster = Cluster(parse_spec(good, "lab.yml", offers), kubectl, None, "image", "asker")
    assert questions.system_objects(cluster) == "7 of kubeadm and flannel"
