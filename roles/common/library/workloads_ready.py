#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Waits for workloads, and says why they are late (Python 2.7 and 3)."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: workloads_ready
short_description: Waits until workloads are as they were last applied, and finds out why they are late
description:
  - A workload counts once its controller has seen the generation that was applied and the pods of that
    generation are Ready. The wait ends early where a failure repeats. It never fails; RV(ready) has the outcome.
options:
  kubectl: {description: "The command that asks the cluster, word by word.", type: list, elements: str, required: true}
  namespace: {description: Namespace of the workloads., type: str, required: true}
  workloads:
    description: KIND/NAME, or KIND/NAME=CONDITION for an object that has to have a condition.
    type: list
    elements: str
    default: []
  nodes:
    description: Nodes that have to be Ready and to run a DaemonSet; a name that is no node is left out.
    type: list
    elements: str
    default: []
  timeout: {description: Seconds that it may take., type: int, required: true}
author: kubelab
"""

RETURN = r"""
ready: {description: Whether all is ready., type: bool, returned: always}
seconds: {description: How long that took., type: int, returned: always}
reasons: {description: "Sentences, one for each pod, node or workload that is late.", type: list, elements: str,
          returned: always}
nodes: {description: Nodes that are late or have a pod that is late., type: list, elements: str, returned: always}
"""

import json
import re
import time
from collections import namedtuple

from ansible.module_utils.basic import AnsibleModule

# Python 2.7 has no clock that nobody sets.
monotonic = getattr(time, "monotonic", time.time)
Late = namedtuple("Late", "what why node pod")
NO_IMAGE = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")
NO_SANDBOX = "FailedCreatePodSandBox"
# What kubelet says of a container that waits for nothing special.
STARTING = ("", "ContainerCreating", "PodInitializing")
FATAL = re.compile(r"\bFATAL?\b|\bfatal\b|\bpanic: |^F\d{4} |\bCRITICAL\b")
WARNINGS = ("events", "--field-selector", "involvedObject.kind=Pod,type=Warning")
# Of a line, how many characters are told, and how many reasons.
LINE, REASONS = 500, 8
# By these a Deployment knows its newest ReplicaSet, and the pods of it.
REVISION, HASH = "deployment.kubernetes.io/revision", "pod-template-hash"


class UnansweredError(Exception):
    pass


class Cluster(object):
    """Asks the cluster by kubectl; of a question without an answer the next poll asks again."""

    def __init__(self, module):
        self.module = module
        self.words = module.params["kubectl"] + ["-n", module.params["namespace"]]

    def call(self, *words):
        return self.module.run_command(self.words + list(words))

    def items(self, *words):
        code, out, err = self.call("get", *(words + ("-o", "json")))
        if code != 0:
            raise UnansweredError(err.strip().splitlines()[-1] if err.strip() else "kubectl failed")
        found = json.loads(out or "{}")
        return found.get("items", [found] if found else [])


def condition(item, kind):
    return next((c for c in item.get("status", {}).get("conditions", []) if c["type"] == kind), {})


def has(item, kind):
    return condition(item, kind).get("status") == "True"


def statuses(pod):
    """The containers of a pod as kubelet reports them, those that run first before the others."""
    status = pod.get("status", {})
    return status.get("initContainerStatuses", []) + status.get("containerStatuses", [])


def waits_for(status):
    return status.get("state", {}).get("waiting", {}).get("reason", "")


def is_ended(status):
    """Whether a container failed just now, or failed and waits for its next start."""
    code = status.get("state", {}).get("terminated", {}).get("exitCode", 0)
    return waits_for(status) == "CrashLoopBackOff" or code != 0


def of_pod(events, pod):
    """The events of a pod, the newest last."""
    own = (e for e in events if e["involvedObject"].get("uid") == pod["metadata"]["uid"])
    return sorted(own, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")


def times(event):
    return (event.get("series") or {}).get("count") or event.get("count") or 1


def is_seen(item):
    """Whether the controller of a workload has seen what was applied last."""
    return item.get("status", {}).get("observedGeneration", 0) >= item["metadata"]["generation"]


def newest(cluster, item, selector):
    """The label and its value that only pods of the newest template have."""
    notes = item["metadata"].get("annotations", {})
    if item["kind"] == "DaemonSet":
        return "pod-template-generation", notes.get("deprecated.daemonset.template.generation")
    for one in cluster.items("replicasets", "-l", selector) if item["kind"] == "Deployment" else []:
        if one["metadata"].get("annotations", {}).get(REVISION) == notes.get(REVISION):
            return HASH, one["metadata"]["labels"].get(HASH)
    return "", None


def is_complete(item):
    """Whether a workload counts all of its newest pods as available, and has no older ones."""
    status = item.get("status", {})
    if item["kind"] == "DaemonSet":
        counts = [status.get(key, 0) for key in ("updatedNumberScheduled", "numberAvailable")]
        return min(counts) >= status.get("desiredNumberScheduled", 0)
    wanted = item["spec"].get("replicas", 1)
    available = status.get("availableReplicas", status.get("readyReplicas", 0))
    return status.get("replicas", 0) <= wanted <= min(status.get("updatedReplicas", 0), available)


def late_pods(item, pods, current, nodes):
    """Pods of a workload that are late; on each of these nodes a DaemonSet needs one of its newest."""
    daemon = item["kind"] == "DaemonSet" and bool(nodes)
    if daemon:
        good = [p for p in pods if current(p) and has(p, "Ready")]
        missing = set(nodes) - set(p["spec"].get("nodeName") for p in good)
        pods = [p for p in pods if p["spec"].get("nodeName") in missing]
        for node in sorted(missing - set(p["spec"]["nodeName"] for p in pods)):
            yield Late("daemonset/%s has no pod on %s" % (item["metadata"]["name"], node), "", node, None)
    for pod in pods:
        if daemon or (current(pod) and not has(pod, "Ready")):
            node = pod["spec"].get("nodeName", "")
            yield Late("pod %s on %s" % (pod["metadata"]["name"], node or "no node"), "", node, pod)


def late_workload(cluster, name, nodes):
    target, _, kind = name.partition("=")
    found = cluster.items(target, "--ignore-not-found")
    if not found:
        return [Late("%s is not there" % target, "", "", None)]
    item = found[0]
    if kind:
        why = condition(item, kind).get("message", "")
        return [] if has(item, kind) else [Late("%s is not %s" % (target, kind), why, "", None)]
    by_pod = item["kind"] == "DaemonSet" and bool(nodes)
    if is_seen(item) and is_complete(item) and not by_pod:
        return []
    selector = ",".join("%s=%s" % pair for pair in item["spec"]["selector"]["matchLabels"].items())
    label, value = newest(cluster, item, selector)
    current = lambda pod: pod["metadata"].get("labels", {}).get(label, value) == value
    late = list(late_pods(item, cluster.items("pods", "-l", selector), current, nodes))
    if late or (by_pod and is_seen(item)):
        return late
    why = condition(item, "ReplicaFailure").get("message", "")
    return [Late("%s is not as it was applied" % target, why, "", None)]


def all_late(cluster, params):
    """All that is late now."""
    late, nodes = [], []
    for node in cluster.items("nodes") if params["nodes"] else []:
        name = node["metadata"]["name"]
        if name in params["nodes"]:
            nodes.append(name)
            if not has(node, "Ready"):
                why = condition(node, "Ready").get("message", "kubelet has reported nothing yet")
                late.append(Late("node %s is not Ready" % name, why, name, None))
    for name in params["workloads"]:
        late += late_workload(cluster, name, nodes)
    return late


class Patience(object):
    """Tells a failure that repeats from one that passes."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.first = {}

    def more(self, key, value):
        """How much more it is than when it was first seen."""
        return value - self.first.setdefault(key, value)

    def is_over(self, pod, events, elapsed):
        uid, found = pod["metadata"]["uid"], statuses(pod)
        refused = sum(times(e) for e in of_pod(events, pod) if e.get("reason") == NO_SANDBOX)
        again = self.more((uid, NO_SANDBOX), refused) >= 3
        for status in found:
            again |= self.more((uid, status["name"]), status.get("restartCount", 0)) >= 2 and is_ended(status)
        if pod.get("status", {}).get("phase") != "Running" or any(map(is_ended, found)):
            self.first[(uid, "runs")] = elapsed
        runs = self.more((uid, "runs"), elapsed)
        stuck = any(is_ended(s) or waits_for(s) in NO_IMAGE for s in found)
        slow = (elapsed if stuck else runs) >= self.timeout / 2
        return slow or (again and elapsed >= self.timeout / 3)


def last_words(cluster, pod, status):
    """The line by which a container that ended said why."""
    previous = [] if "terminated" in status.get("state", {}) else ["--previous"]
    words = ["logs", pod["metadata"]["name"], "-c", status["name"], "--tail=200"] + previous
    code, out, err = cluster.call(*words)
    lines = [line.strip() for line in (out if code == 0 else err).splitlines() if line.strip()]
    fatal = [line for line in lines if FATAL.search(line)]
    return ((fatal or lines)[-1:] or ["it printed nothing"])[0][:LINE]


def why(cluster, pod, events):
    """Why a pod is late."""
    if has(pod, "Ready"):
        return "it is of the template before the last one"
    last_event = of_pod(events, pod)[-1:]
    # Its containers may be those of the sandbox before.
    refused = any(event.get("reason") == NO_SANDBOX for event in last_event)
    for status in [] if refused else statuses(pod):
        last = status.get("lastState", {}).get("terminated", {})
        if is_ended(status) or (last.get("exitCode") and not status.get("ready")):
            code = status["state"].get("terminated", last).get("exitCode", "?")
            ended = "container %s ended with exit code %s after %s restarts: %s"
            return ended % (status["name"], code, status.get("restartCount", 0), last_words(cluster, pod, status))
        if waits_for(status) not in STARTING:
            return "container %s: %s %s" % (status["name"], waits_for(status), status["state"]["waiting"].get("message", ""))
    if not has(pod, "PodScheduled") and condition(pod, "PodScheduled"):
        return condition(pod, "PodScheduled").get("message", "it is not scheduled")
    for event in last_event:
        return "%s: %s" % (event.get("reason"), " ".join(event.get("message", "").split())[:LINE])
    running = any("running" in s.get("state", {}) for s in statuses(pod))
    return "it runs, and does not answer" if running else "kubelet has not started it"


def told(cluster, late, events):
    """A sentence for each that is late; those of pods have the cause, so they come first."""
    lines = []
    for one in sorted(late, key=lambda one: one.pod is None):
        reason = why(cluster, one.pod, events) if one.pod else one.why
        lines.append("%s: %s" % (one.what, reason.strip()) if reason else one.what)
    more = len(lines) - REASONS
    return lines[:REASONS] + (["and %s more" % more] if more > 0 else [])


def look(cluster, params):
    """All that is late now, and the warnings about pods."""
    try:
        late = all_late(cluster, params)
        return late, cluster.items(*WARNINGS) if any(one.pod for one in late) else []
    except UnansweredError as error:
        return [Late("the API server does not answer", str(error), "", None)], []


def main():
    words, given = {"type": "list", "elements": "str"}, {"required": True}
    spec = {"workloads": dict(words, default=[]), "nodes": dict(words, default=[])}
    spec.update(kubectl=dict(words, **given), namespace=dict(given), timeout=dict(given, type="int"))
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    cluster, timeout = Cluster(module), module.params["timeout"]
    patience, started = Patience(timeout), monotonic()
    while True:
        asked = monotonic()
        late, events = look(cluster, module.params)
        elapsed = monotonic() - started
        # Each is asked: what was first seen is remembered.
        over = [one for one in late if one.pod and patience.is_over(one.pod, events, elapsed)]
        if not late or over or elapsed >= timeout:
            break
        # Where an answer takes long, as on an emulated machine, questions would take all of its time.
        time.sleep(min(2, max(0.5, monotonic() - asked)))
    module.exit_json(
        changed=False,
        ready=not late,
        seconds=int(elapsed),
        reasons=told(cluster, late, events),
        nodes=sorted(set(one.node for one in late if one.node)),
    )


if __name__ == "__main__":
    main()
