"""Waiting until the nodes of a cluster are Ready: all of them, or those that came back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import tenacity

from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.errors import LabError

# The namespace in which each kubelet renews a lease every ten seconds.
LEASES = "kube-node-lease"


class _NotYetError(Exception):
    """Why to continue waiting, and for which node; ``node`` is empty if the API is the reason."""

    def __init__(self, why: str, node: str = "") -> None:
        super().__init__(f"{node}: {why}" if node else why)
        self.node = node


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
            raise _NotYetError("not Ready", name)


def _look_for_all(kubectl: Kubectl, nodes: Sequence[str]) -> None:
    found = _by_name(kubectl, "nodes")
    for name in nodes:
        if name not in found:
            raise _NotYetError("not in the cluster", name)
        if not is_ready(found[name]):
            raise _NotYetError("not Ready", name)


def wait_for_all(kubectl: Kubectl, nodes: Sequence[str], seconds: float) -> None:
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
            str(error),
            f"{look} shows why." if error.node else "`kubelab status` shows the state of the lab.",
        ) from None


def _patience(seconds: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        retry=tenacity.retry_if_exception_type(_NotYetError),
        reraise=True,
    )


def wait_for_nodes(kubectl: Kubectl, nodes: Sequence[str], since: float, seconds: float) -> None:
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
            str(error),
            look if error.node else "`kubelab status` shows the state of the lab.",
        ) from None
