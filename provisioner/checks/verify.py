"""Does the cluster work? Each check is a function from the cluster to a detail, or to a Fault.

A time-out is a fault. What verify made in the cluster is gone when it ends.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.errors import LabError
from provisioner.model import Event, Finding, Listener, Status
from provisioner.shell import Result
from provisioner.spec import LabSpec

NAMESPACE, OTHER = "kubelab-verify", "kubelab-verify-other"
WORKLOAD = Path(__file__).with_name("workload.yml.j2")
POD_SECONDS = 120


class Fault(Exception):  # noqa: N818 (an answer to a question, not an error of ours)
    """A check's answer is no; the text names the node or pod and what was seen there."""


@dataclass
class Cluster:
    """What checks ask: the API, the machines (``on_node``), and the spec for what is right."""

    spec: LabSpec
    kubectl: Kubectl
    on_node: Callable[[str, list[str]], Result]
    image: str
    pods: list[dict[str, Any]] = field(default_factory=list)

    @property
    def nodes(self) -> list[str]:
        """The names of the spec's nodes."""
        return [node.name for node in self.spec.nodes]

    def ask(self, node: str, *command: str) -> Result:
        """Run ``command`` in verify's own pod on ``node``."""
        return self.kubectl.call(
            "-n", NAMESPACE, "exec", f"ask-{node}", "--", *command, check=False, timeout=30
        )


Check = Callable[[Cluster], str]


def _manifest(cluster: Cluster) -> str:
    template = jinja2.Template(
        WORKLOAD.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined
    )
    text: str = template.render(
        namespace=NAMESPACE, other=OTHER, image=cluster.image, nodes=cluster.nodes
    )
    return text


def remove_workload(kubectl: Kubectl) -> None:
    """Delete all that verify made, also what a killed run left, and wait until it is gone."""
    names = ("--ignore-not-found", "--timeout=90s", NAMESPACE, OTHER)
    kubectl.call("delete", "namespace", *names, check=False, timeout=100)


@contextmanager
def _workload(cluster: Cluster) -> Iterator[None]:
    remove_workload(cluster.kubectl)
    try:
        cluster.kubectl.call("apply", "-f", "-", stdin=_manifest(cluster))
        yield
    finally:
        remove_workload(cluster.kubectl)


def _answer(name: str, check: Check, cluster: Cluster) -> Finding:
    begin = time.monotonic()
    try:
        ok, detail = True, check(cluster)
    except Fault as fault:
        ok, detail = False, str(fault)
    except LabError as error:
        ok, detail = False, f"{error.brief}: {error.details}".strip(": ")
    hint = "" if ok else "`kubelab kubectl -- get pods -A -o wide` and `kubelab ssh NODE` show more"
    return Finding(name, ok, detail, round(time.monotonic() - begin, 2), hint)


def verify(
    cluster: Cluster, basic: dict[str, Check], deep: dict[str, Check], listen: Listener
) -> list[Finding]:
    """Put every question to the cluster: ``basic`` ones as it is, ``deep`` ones to a workload.

    Returns one Finding a check, in order. Where the nodes themselves are not well the deep
    questions are not put: their answers would only repeat it, minutes later.
    """
    findings = []

    def put(checks: dict[str, Check]) -> None:
        for name, check in checks.items():
            listen(Event("verify", name, "start"))
            finding = _answer(name, check, cluster)
            status: Status = "ok" if finding.ok else "failed"
            listen(Event("verify", name, status, "", finding.seconds, finding.detail))
            findings.append(finding)

    put(basic)
    if not all(finding.ok for finding in findings):
        return findings
    with _workload(cluster):
        put(deep)
    listen(Event("verify", "clean-up", "ok"))
    return findings


def wait_for_pods(cluster: Cluster, selector: str, wanted: int) -> list[dict[str, Any]]:
    """The pods of ``selector`` in verify's namespace, once ``wanted`` of them are Ready.

    Raises:
        Fault: they are not after two minutes; names each pod, its node and its state.
    """
    deadline = time.monotonic() + POD_SECONDS
    while True:
        pods = cluster.kubectl.get("pods", "-n", NAMESPACE, "-l", selector)
        alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        ready = [pod for pod in alive if is_ready(pod)]
        if len(ready) == wanted and len(alive) == wanted:
            return ready
        if time.monotonic() > deadline:
            raise Fault(f"{len(ready)} of {wanted} pods Ready: " + "; ".join(map(describe, alive)))
        time.sleep(0.5)


def describe(pod: dict[str, Any]) -> str:
    """A pod in a few words: its name, its node, and why it is not running, if it is not."""
    status = pod["status"]
    waiting = [
        state["waiting"].get("reason", "")
        for container in status.get("containerStatuses", [])
        for state in [container.get("state", {})]
        if "waiting" in state
    ]
    where = pod["spec"].get("nodeName", "no node")
    return f"{pod['metadata']['name']} on {where} is {', '.join(waiting) or status['phase']}"
