"""Waiting until the nodes of a cluster are Ready by a new heartbeat, not by an old one."""

from collections.abc import Sequence
from datetime import datetime

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


def _look(kubectl: Kubectl, nodes: Sequence[str], since: float) -> None:
    try:
        found = {node["metadata"]["name"]: node for node in kubectl.get("nodes", timeout=10)}
        leases = {x["metadata"]["name"]: x for x in kubectl.get("-n", LEASES, "leases", timeout=10)}
    except LabError as error:
        raise _NotYetError(
            f"the API server does not answer: {error.details.splitlines()[-1]}"
        ) from None
    # An unregistered node was reset or never joined, so waiting for it is useless.
    for name in (name for name in nodes if name in found):
        renewed = leases.get(name, {}).get("spec", {}).get("renewTime")
        if renewed is None or datetime.fromisoformat(renewed).timestamp() < since:
            raise _NotYetError("no heartbeat of its kubelet since the machine came up", name)
        if not is_ready(found[name]):
            raise _NotYetError("not Ready", name)


def wait_for_nodes(kubectl: Kubectl, nodes: Sequence[str], since: float, seconds: float) -> None:
    """Wait until every registered node is Ready and has a heartbeat after ``since``.

    ``since`` is in seconds since the epoch.

    Raises:
        LabError: a node was not Ready within ``seconds``; names it.
    """
    patience = tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        retry=tenacity.retry_if_exception_type(_NotYetError),
        reraise=True,
    )
    try:
        patience(_look, kubectl, nodes, since)
    except _NotYetError as error:
        look = f"`kubelab ssh {error.node} -- journalctl -u kubelet` shows why."
        raise LabError(
            f"not every node came back within {seconds:.0f} s",
            str(error),
            look if error.node else "`kubelab status` shows the state of the lab.",
        ) from None
