"""Running the checks of ``verify``. A check takes the cluster and returns a detail, or fails.

A time-out is a failure. The objects that verify creates in the cluster are deleted at the end.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import tenacity

from provisioner.catalog.settings import PodNetwork
from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.errors import LabError
from provisioner.model import Event, Finding, Listener, Status
from provisioner.shell import Result
from provisioner.spec import LabSpec

NAMESPACE, OTHER = "kubelab-verify", "kubelab-verify-other"
WORKLOAD = Path(__file__).with_name("workload.yml.j2")
POD_SECONDS = 120
# kube-controller-manager creates service accounts, and is the last to come back after a start.
ACCOUNT_SECONDS = 60
NO_ACCOUNT = "error looking up service account"
ASK_SECONDS = 30
FETCH_SECONDS = 10


SHOWS = "`kubelab kubectl -- get pods -A -o wide` and `kubelab ssh NODE` show more"
MENDS = "`kubelab up` starts services, and writes the files of the control plane again"


class CheckFailed(Exception):  # noqa: N818 (an answer to a question, not an error of ours)
    """A check failed; the text names the node or pod and what was found there."""


class NoAnswer(CheckFailed):
    """The API server does not answer, so that each question that follows would only time out."""


@dataclass(frozen=True)
class State:
    """What a machine printed of itself, and when it was asked, in seconds since the epoch."""

    begin: float
    end: float
    lines: list[str]


@dataclass
class Cluster:
    """What checks work on: the API, commands on machines (``on_node``), and the spec.

    ``image`` runs the workload of verify, ``asker`` the pods that ask it. ``slowness`` is the
    factor by which machines are slower than real ones; it multiplies deadlines. ``services`` are
    the units that every node needs, and ``network`` is what the catalogue says of the pod network.
    Without ``patient`` each question is asked only once, and without ``answers`` none more.
    ``pods`` and ``states`` (of machines) are answers that later questions share.
    """

    spec: LabSpec
    kubectl: Kubectl
    on_node: Callable[[str, list[str]], Result]
    image: str
    asker: str
    slowness: float = 1
    services: tuple[str, ...] = ()
    network: PodNetwork = field(default_factory=PodNetwork)
    patient: bool = True
    answers: bool = True
    pods: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)

    def deadline(self, seconds: float) -> float:
        """The end of waiting (monotonic clock) for what takes ``seconds`` on real machines."""
        return time.monotonic() + (seconds * self.slowness if self.patient else 0)

    @property
    def nodes(self) -> list[str]:
        """The names of the spec's nodes."""
        return [node.name for node in self.spec.nodes]

    def ask(self, node: str, *command: str, more: float = 0) -> Result:
        """Run ``command`` in verify's pod on ``node``; ``more`` is extra time in seconds."""
        words = ("-n", NAMESPACE, "exec", f"ask-{node}", "--", *command)
        return self.kubectl.call(*words, check=False, timeout=(ASK_SECONDS + more) * self.slowness)


Check = Callable[[Cluster], str]


def _manifest(cluster: Cluster) -> str:
    template = jinja2.Template(
        WORKLOAD.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined
    )
    text: str = template.render(
        namespace=NAMESPACE,
        other=OTHER,
        image=cluster.image,
        asker=cluster.asker,
        nodes=cluster.nodes,
    )
    return text


def remove_workload(kubectl: Kubectl) -> None:
    """Delete all objects of verify, also those of a killed run, and wait until they are gone."""
    # Objects are deleted before their namespace, and pods by force. An empty namespace is gone in
    # seconds, but kubelet 1.20 may take a minute to report that a pod is gone.
    for namespace in (NAMESPACE, OTHER):
        delete = ("-n", namespace, "delete", "--all", "--ignore-not-found")
        kubectl.call(*delete, "deployments,replicasets,services", check=False)
        kubectl.call(*delete, "pods", "--force", "--grace-period=0", check=False)
    names = ("--ignore-not-found", "--timeout=90s", NAMESPACE, OTHER)
    kubectl.call("delete", "namespace", *names, check=False, timeout=100)


def _lacks_account(error: BaseException) -> bool:
    return isinstance(error, LabError) and NO_ACCOUNT in error.details


def _apply(cluster: Cluster) -> None:
    """Create the workload. Pods fail until the new namespace has its service account."""
    patience = tenacity.Retrying(
        stop=tenacity.stop_after_delay(ACCOUNT_SECONDS * cluster.slowness),
        wait=tenacity.wait_fixed(0.5),
        retry=tenacity.retry_if_exception(_lacks_account),
        reraise=True,
    )
    patience(cluster.kubectl.call, "apply", "-f", "-", stdin=_manifest(cluster))


@contextmanager
def _workload(cluster: Cluster) -> Iterator[None]:
    remove_workload(cluster.kubectl)
    try:
        _apply(cluster)
        yield
    finally:
        remove_workload(cluster.kubectl)


def _answer(name: str, check: Check, cluster: Cluster) -> Finding:
    begin = time.monotonic()
    try:
        ok, detail = True, check(cluster)
    except CheckFailed as fault:
        ok, detail = False, str(fault)
        cluster.answers = not isinstance(fault, NoAnswer)
    except LabError as error:
        ok, detail = False, f"{error.brief}: {error.details}".strip(": ")
    hint = MENDS if not cluster.answers else "" if ok else SHOWS
    return Finding(name, ok, detail, round(time.monotonic() - begin, 2), hint)


def verify(
    cluster: Cluster, basic: dict[str, Check], deep: dict[str, Check], listen: Listener
) -> list[Finding]:
    """Ask the cluster every question: ``basic`` ones first, ``deep`` ones with a workload.

    Returns one Finding for each check, in order. If a basic question fails, the deep ones are not
    asked, because they would fail for the same reason minutes later. After ``NoAnswer`` nothing is.
    """
    findings = []

    def ask_all(checks: dict[str, Check]) -> None:
        for name, check in checks.items():
            if not cluster.answers:
                return
            listen(Event("verify", name, "start"))
            finding = _answer(name, check, cluster)
            status: Status = "ok" if finding.ok else "failed"
            listen(Event("verify", name, status, "", finding.seconds, finding.detail))
            findings.append(finding)
            if not finding.ok and checks is basic:
                # Do not wait in the other checks: the cluster has a fault already.
                cluster.patient = False

    ask_all(basic)
    if not all(finding.ok for finding in findings):
        return findings
    with _workload(cluster):
        ask_all(deep)
    listen(Event("verify", "clean-up", "ok"))
    return findings


def wait_for_pods(
    cluster: Cluster, namespace: str, selector: str = "", wanted: int = 0
) -> list[dict[str, Any]]:
    """Wait until all pods of a namespace are Ready, ``wanted`` of them if given; returns them.

    Raises:
        CheckFailed: the time is over; names each pod that is not Ready, its node and its state.
    """
    query = ["pods", "-n", namespace, *(["-l", selector] if selector else [])]
    deadline = cluster.deadline(POD_SECONDS)
    while True:
        alive = [p for p in cluster.kubectl.get(*query) if "deletionTimestamp" not in p["metadata"]]
        ill = [pod for pod in alive if not is_ready(pod)]
        if alive and not ill and (not wanted or len(alive) == wanted):
            return alive
        if time.monotonic() > deadline:
            count = f"{len(alive) - len(ill)} of {wanted or len(alive)} pods Ready"
            raise CheckFailed("; ".join([count, *map(describe, ill)]))
        time.sleep(0.5)


def describe(pod: dict[str, Any]) -> str:
    """A pod in a few words: its name, its node, and why it is not Ready."""
    status = pod["status"]
    waiting = [
        state["waiting"].get("reason", "")
        for container in status.get("containerStatuses", [])
        for state in [container.get("state", {})]
        if "waiting" in state
    ]
    where = pod["spec"].get("nodeName", "no node")
    why = ", ".join(waiting) or f"{status['phase']}, not Ready"
    return f"{pod['metadata']['name']} on {where}: {why}"
