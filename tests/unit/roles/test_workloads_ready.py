"""When workloads count as ready, and what is said of those that are late, how soon."""

import json

import pytest

from tests.conftest import module_of
from tests.unit.roles.rollouts import (
    LOOP,
    MAKING,
    NODES,
    RUNS,
    conditions,
    container,
    deployment,
    event,
    good,
    network,
    node,
    pod,
)

# The default of every wait, and how soon a cause has to be told.
TIMEOUT, SOON = 180, 120


class DoneError(Exception):
    """What a module's exit raises here."""


class Cluster:
    """Ansible's module, and a cluster whose objects follow from the seconds that have passed."""

    def __init__(self, monkeypatch, module, objects, log=""):
        self.now, self.objects, self.log, self.asked = 0.0, objects, log, []
        self.module = module
        monkeypatch.setattr(module, "AnsibleModule", self)
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module.time, "sleep", self.sleep)

    def __call__(self, argument_spec, supports_check_mode):
        return self

    def sleep(self, seconds):
        self.now += seconds

    def run_command(self, words):
        assert words[:3] == ["kubectl", "-n", "kube-system"]
        if words[3] == "logs":
            self.asked.append(words)
            return 0, self.log, ""
        empty = {"replicasets": []}
        found = {**empty, **self.objects(self.now)}.get(words[4].partition("/")[0])
        if found is None:
            return 1, "", "line\nThe connection to the server was refused"
        return 0, json.dumps({"items": found} if isinstance(found, list) else found), ""

    def exit_json(self, **result):
        raise DoneError(result)

    def wait(self, workloads, nodes=(), timeout=TIMEOUT):
        self.params = {"kubectl": ["kubectl"], "namespace": "kube-system"}
        self.params |= {"workloads": workloads, "nodes": list(nodes), "timeout": timeout}
        with pytest.raises(DoneError) as done:
            self.module.main()
        return done.value.args[0]


@pytest.fixture
def cluster(monkeypatch):
    module = module_of("common", "workloads_ready")
    return lambda objects, log="": Cluster(monkeypatch, module, objects, log)


def wait_for_network(cluster, objects, log="", **more):
    made = cluster(objects, log)
    return made.wait(["daemonset/net"], NODES, **more), made


def test_all_that_is_as_it_was_applied_is_ready_at_once(cluster):
    found, _ = wait_for_network(cluster, lambda now: network([good(name) for name in NODES]))
    assert found == {"changed": False, "ready": True, "seconds": 0, "reasons": [], "nodes": []}


def test_pods_of_the_rollout_before_do_not_count(cluster):
    def rolling(now):
        return network([good("master"), good("worker1", generation=1 if now < 40 else 2)])

    found, _ = wait_for_network(cluster, rolling)
    assert (found["ready"], found["seconds"]) == (True, 40)
    found, _ = wait_for_network(cluster, rolling, timeout=10)
    assert found["reasons"] == [
        "pod net-worker1 on worker1: it is of the template before the last one"
    ]


def test_what_the_controller_has_not_seen_does_not_count(cluster):
    def late(now):
        return {"deployment": deployment(observedGeneration=0 if now < 6 else 1), "pods": []}

    found = cluster(late).wait(["deployment/coredns"])
    assert (found["ready"], found["seconds"]) == (True, 6)
    found = cluster(late).wait(["deployment/coredns"], timeout=2)
    assert found["reasons"] == ["deployment/coredns is not as it was applied"]


def test_a_pod_of_the_deployment_before_is_not_blamed(cluster):
    def revised(kind, revision, of):
        notes = {"deployment.kubernetes.io/revision": revision}
        labels = {"pod-template-hash": of}
        return {"kind": kind, "metadata": {"name": "x", "annotations": notes, "labels": labels}}

    old, new = (pod(name, container(**MAKING), phase="Pending") for name in ("old", "new"))
    for one in (old, new):
        one["metadata"]["labels"] = {"pod-template-hash": one["metadata"]["uid"]}
    late = deployment(updatedReplicas=1)
    late["metadata"] |= revised("Deployment", "2", "")["metadata"]
    sets = [revised("ReplicaSet", "1", "old"), revised("ReplicaSet", "2", "new")]
    objects = {"deployment": late, "replicasets": sets, "pods": [old, new], "events": []}
    found = cluster(lambda now: objects).wait(["deployment/coredns"], timeout=2)
    assert found["reasons"] == ["pod net-new on new: kubelet has not started it"]


def test_a_node_that_is_not_of_the_play_is_left_out(cluster):
    nodes = [*map(node, NODES), node("gone", "Unknown")]
    objects = network([good(name) for name in NODES], nodes=nodes)
    assert wait_for_network(cluster, lambda now: objects)[0]["ready"]


def test_a_container_that_ends_again_and_again_is_told_soon_by_its_last_fatal_line(cluster):
    def looping(now):
        restarts = sum(now >= second for second in (10, 32, 75))
        return network([good("master"), pod("worker1", container(restarts, last=1, **LOOP))])

    log = "INFO: starting\nFATA: [error] Existing bridge type is different\nINFO: bye\n"
    found, made = wait_for_network(cluster, looping, log)
    assert found["seconds"] < SOON
    assert found["nodes"] == ["worker1"]
    (said,) = found["reasons"]
    assert said == (
        "pod net-worker1 on worker1: container net ended with exit code 1 after 2 restarts:"
        " FATA: [error] Existing bridge type is different"
    )
    assert "--previous" in made.asked[0]


def test_the_last_line_is_told_where_none_is_fatal(cluster):
    looping = network([good("master"), pod("worker1", container(5, last=2, **LOOP))])
    found, _ = wait_for_network(cluster, lambda now: looping, "one\ntwo\n\n")
    assert found["reasons"][0].endswith("exit code 2 after 5 restarts: two")
    assert found["seconds"] < SOON


def test_one_that_ended_once_and_then_runs_is_waited_for(cluster):
    def started(now):
        first = pod("worker1", container(1, last=1, **LOOP))
        return network([good("master"), good("worker1") if now > 100 else first])

    # A restart of long ago is none of now.
    found, _ = wait_for_network(cluster, started, timeout=900)
    assert found["ready"]


def test_a_sandbox_that_is_refused_again_and_again_is_told_soon_by_the_newest_event(cluster):
    def refused(now):
        old = event("a", "FailedCreatePodSandBox", "not ready yet", count=2)
        text = 'plugin failed: unsupported CNI result\n  version "1.0.0"'
        at = "2026-01-01T00:01:00Z"
        new = event("a", "FailedCreatePodSandBox", text, count=1 + int(now) // 12, at=at)
        waiting = pod("a", container(**MAKING), phase="Pending")
        objects = {"deployment": deployment(availableReplicas=0), "pods": [waiting]}
        return objects | {"events": [new, old]}

    found = cluster(refused).wait(["deployment/coredns"])
    assert found["seconds"] < SOON
    said = 'FailedCreatePodSandBox: plugin failed: unsupported CNI result version "1.0.0"'
    assert found["reasons"] == [f"pod net-a on a: {said}"]


def test_the_sandbox_is_blamed_and_not_the_containers_of_the_one_before(cluster):
    ended = container(1, terminated={"exitCode": 137})
    seen = event("a", "FailedCreatePodSandBox", "no address left")
    objects = {"deployment": deployment(availableReplicas=0), "events": [seen]}
    objects["pods"] = [pod("a", ended)]
    found = cluster(lambda now: objects).wait(["deployment/coredns"], timeout=2)
    assert found["reasons"] == ["pod net-a on a: FailedCreatePodSandBox: no address left"]


def test_a_sandbox_that_was_refused_only_while_the_network_started_is_waited_for(cluster):
    def starting(now):
        seen = event(
            "a", "FailedCreatePodSandBox", "no such file", count=min(3, 1 + int(now) // 10)
        )
        waiting = pod("a", container(**MAKING), phase="Pending")
        ready = 0 if now < 100 else 2
        return {
            "deployment": deployment(availableReplicas=ready),
            "pods": [waiting],
            "events": [seen],
        }

    assert cluster(starting).wait(["deployment/coredns"])["ready"]


def test_one_that_runs_and_never_gets_ready_is_told_soon_by_its_probe(cluster):
    unhealthy = event("worker1", "Unhealthy", "Readiness probe failed: 503")

    def running(now):
        making = pod("worker1", container(**MAKING), phase="Pending")
        runs = pod("worker1", container(**RUNS))
        return network([good("master"), making if now < 10 else runs], [unhealthy])

    found, _ = wait_for_network(cluster, running)
    assert found["seconds"] < SOON
    assert found["reasons"] == [
        "pod net-worker1 on worker1: Unhealthy: Readiness probe failed: 503"
    ]


def test_a_missing_image_is_told_soon_by_its_name(cluster):
    waiting = {"reason": "ErrImageNeverPull", "message": 'image "net:1" is not present'}
    objects = network([good("master"), pod("worker1", container(waiting=waiting))])
    found, _ = wait_for_network(cluster, lambda now: objects)
    assert found["seconds"] < SOON
    assert found["reasons"][0].endswith('ErrImageNeverPull image "net:1" is not present')


def test_a_node_without_news_has_the_whole_time_and_is_named_after_its_pod(cluster):
    nodes = [node("master"), node("worker1", "False", "cni config uninitialized")]
    making = pod("worker1", container(**MAKING), phase="Pending")
    objects = network([good("master"), making], nodes=nodes)
    found, _ = wait_for_network(cluster, lambda now: objects)
    assert found["seconds"] == TIMEOUT
    assert found["reasons"] == [
        "pod net-worker1 on worker1: kubelet has not started it",
        "node worker1 is not Ready: cni config uninitialized",
    ]


def test_an_api_server_that_does_not_answer_is_asked_again_and_named(cluster):
    found, _ = wait_for_network(cluster, lambda now: {})
    said = "the API server does not answer: The connection to the server was refused"
    assert (found["seconds"], found["reasons"]) == (TIMEOUT, [said])


def test_an_object_has_to_have_its_condition(cluster):
    def service(now):
        status = {"conditions": conditions(Available="True" if now >= 4 else "False")}
        return {"apiservice": {"kind": "APIService", "status": status}}

    assert cluster(service).wait(["apiservice/v1.x=Available"])["seconds"] == 4
    found = cluster(service).wait(["apiservice/v1.x=Available"], timeout=2)
    assert found["reasons"] == ["apiservice/v1.x is not Available"]
    assert cluster(lambda now: {"job": []}).wait(["job/x=Complete"], timeout=2)["reasons"] == [
        "job/x is not there"
    ]
