"""Waiting until the nodes of a cluster are Ready: all of them, or those that came back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import tenacity

from provisioner.checks.kubectl import Kubectl, is_ready, said_of
from provisioner.checks.verify import describe
from provisioner.errors import CommandError, LabError

# The namespace in which each kubelet renews a lease every ten seconds.
LEASES = "kube-node-lease"
SYSTEM, DNS = "kube-system", "k8s-app=kube-dns"
# The path of CoreDNS's plugin "ready", through the API server.
ANSWERS = f"/api/v1/namespaces/{SYSTEM}/pods/{{pod}}:8181/proxy/ready"


class _NotYetError(Exception):
    """Why to continue waiting, and for which node; ``node`` is empty if the API is the reason."""

    def __init__(self, why: str, node: str = "") -> None:
        super().__init__(f"{node}: {why}" if node else why)
        self.node = node


Explain = Callable[[str], Sequence[str]]
"""Returns why a node is late, as sentences; for an empty name, why the API server is silent."""


def _details(error: _NotYetError, explain: Explain) -> str:
    return "\n".join([str(error), *explain(error.node)])


def _by_name(kubectl: Kubectl, *words: str) -> dict[str, dict[str, Any]]:
    try:
        return {found["metadata"]["name"]: found for found in kubectl.get(*words, timeout=10)}
    except LabError as error:
        why = (error.details or error.brief).splitlines()[-1]
        raise _NotYetError(f"the API server does not answer: {why}") from None


def _look(kubectl: Kubectl, nodes: Sequence[str], since: float) -> None:
    found = _by_name(kubectl, "nodes")
    leases = _by_name(kubectl, "-n", LEASES, "leases")
    # An unregistered node was reset or never joined, so waiting for it is useless.
    for name in (name for name in nodes if name in found):
        renewed = leases.get(name, {}).get("spec", {}).get("renewTime")
        if renewed is None or datetime.fromisoformat(renewed).timestamp() < since:
            raise _NotYetError("no heartbeat of its kubelet since the machine came up", name)
        if not is_ready(found[name]):
            raise _NotYetError(f"not Ready: {said_of(found[name], 'Ready')}".rstrip(": "), name)


def _look_for_all(kubectl: Kubectl, nodes: Sequence[str]) -> None:
    found = _by_name(kubectl, "nodes")
    for name in nodes:
        if name not in found:
            raise _NotYetError("not in the cluster", name)
        if not is_ready(found[name]):
            raise _NotYetError(f"not Ready: {said_of(found[name], 'Ready')}".rstrip(": "), name)


def wait_for_all(
    kubectl: Kubectl, nodes: Sequence[str], seconds: float, explain: Explain = lambda _: ()
) -> None:
    """Wait until each of ``nodes`` is in the cluster and Ready.

    Raises:
        LabError: one was not within ``seconds``; names it.
    """
    try:
        _patience(seconds)(_look_for_all, kubectl, nodes)
    except _NotYetError as error:
        look = f"Run `kubelab up` again. `kubelab ssh {error.node} -- journalctl -u kubelet`"
        raise LabError(
            f"the cluster lacks nodes of the spec after {seconds:.0f} s",
            _details(error, explain),
            f"{look} shows why." if error.node else "`kubelab status` shows the state of the lab.",
        ) from None


def _patience(seconds: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        retry=tenacity.retry_if_exception_type(_NotYetError),
        reraise=True,
    )


def wait_for_nodes(
    kubectl: Kubectl,
    nodes: Sequence[str],
    since: float,
    seconds: float,
    explain: Explain = lambda _: (),
) -> None:
    """Wait until every registered node is Ready and has a heartbeat after ``since``.

    ``since`` is in seconds since the epoch.

    Raises:
        LabError: a node was not Ready within ``seconds``; names it.
    """
    try:
        _patience(seconds)(_look, kubectl, nodes, since)
    except _NotYetError as error:
        look = f"`kubelab ssh {error.node} -- journalctl -u kubelet` shows why."
        raise LabError(
            f"not every node came back within {seconds:.0f} s",
            _details(error, explain),
            look if error.node else "`kubelab status` shows the state of the lab.",
        ) from None


def _look_at_dns(kubectl: Kubectl) -> str:
    try:
        pods = kubectl.get("-n", SYSTEM, "pods", "-l", DNS, timeout=10)
    except CommandError as error:
        why = (error.details or error.brief).splitlines()[-1]
        raise _NotYetError(f"the API server does not answer: {why}") from None
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    # What the API knows of a pod may be from before its machine was stopped.
    well = [pod for pod in alive if is_ready(pod) and _answers(kubectl, pod["metadata"]["name"])]
    if not well:
        ill = "; ".join(map(describe, alive)) or f"no pod in {SYSTEM} has the label {DNS}"
        raise _NotYetError(ill)
    return f"{len(well)} of {len(alive)} pods"


def _answers(kubectl: Kubectl, pod: str) -> bool:
    return kubectl.call("get", "--raw", ANSWERS.format(pod=pod), check=False).code == 0


def wait_for_dns(kubectl: Kubectl, seconds: float) -> str:
    """Wait until a pod of the cluster's DNS answers; returns how many of how many do.

    Raises:
        LabError: none did within ``seconds``; has the last words of one that ended.
    """
    try:
        return str(_patience(seconds)(_look_at_dns, kubectl))
    except _NotYetError as error:
        raise LabError(
            f"the cluster's DNS does not answer after {seconds:.0f} s",
            "\n".join([str(error), *_last_words(kubectl)]),
            f"`kubelab kubectl -- -n {SYSTEM} logs -l {DNS}` shows more.",
        ) from None


def _last_words(kubectl: Kubectl) -> list[str]:
    """The last line of each container of DNS that ended."""
    words = ("-n", SYSTEM, "logs", "-l", DNS, "--tail=1", "--previous")
    try:
        lines = kubectl.call(*words, check=False).stdout.splitlines()
    except LabError:
        return []
    return list(dict.fromkeys(lines))
