"""Made-up objects of a cluster whose workloads come up, or do not."""

NODES = ["master", "worker1"]


def conditions(**given):
    return [{"type": kind, "status": status} for kind, status in given.items()]


def node(name, ready="True", message=""):
    ready = {"type": "Ready", "status": ready, "message": message}
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [ready]}}


def daemon():
    annotations = {"deprecated.daemonset.template.generation": "2"}
    counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    return {
        "kind": "DaemonSet",
        "metadata": {"name": "net", "generation": 2, "annotations": annotations},
        "spec": {"selector": {"matchLabels": {"app": "net"}}},
        "status": {"observedGeneration": 2, **dict.fromkeys(counts, 2)},
    }


def deployment(**status):
    whole = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {
        "kind": "Deployment",
        "metadata": {"name": "coredns", "generation": 1},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        "status": {**whole, **status},
    }


def container(restarts=0, ready=False, last=None, **state):
    found = {"name": "net", "restartCount": restarts, "ready": ready, "state": state}
    return found | ({"lastState": {"terminated": {"exitCode": last}}} if last is not None else {})


RUNS = {"running": {}}
LOOP = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}
MAKING = {"waiting": {"reason": "ContainerCreating"}}


def pod(on, status, ready="False", generation=2, phase="Running"):
    return {
        "metadata": {
            "name": f"net-{on}",
            "uid": on,
            "labels": {"pod-template-generation": str(generation)},
        },
        "spec": {"nodeName": on},
        "status": {
            "phase": phase,
            "conditions": conditions(Ready=ready),
            "containerStatuses": [status],
        },
    }


def good(on, generation=2):
    return pod(on, container(ready=True, **RUNS), ready="True", generation=generation)


def event(on, reason, message, count=1, at="2026-01-01T00:00:00Z"):
    return {
        "involvedObject": {"uid": on},
        "reason": reason,
        "message": message,
        "count": count,
        "lastTimestamp": at,
    }


def network(pods, events=(), nodes=()):
    """The objects of a network whose pods these are."""
    nodes = list(nodes) or [*map(node, NODES)]
    return {"nodes": nodes, "daemonset": daemon(), "pods": pods, "events": list(events)}
