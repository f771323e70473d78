"""The dashboard of a lab that is up: what the cluster says of it, and tokens for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provisioner.checks.kubectl import Kubectl
from provisioner.errors import LabError
from provisioner.shell import WITH_US, stream

# As the role dashboard has them.
LABEL, LOGIN = "kubelab/dashboard", "kubelab/login"
TOKEN_SECONDS = 3600
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Page:
    """A dashboard as its service says. ``given`` is the address that a load balancer gave it."""

    name: str
    exposure: str
    scheme: str
    port: int
    node_port: int
    login: bool
    given: str = ""

    @property
    def opened(self) -> bool:
        """Whether others than this host can reach it."""
        return self.exposure != "ClusterIP"

    def url(self, node: str, forwarded: int) -> str:
        """Where it is reached, given the address of a node and the port of a forward here."""
        if self.given:
            return f"{self.scheme}://{self.given}:{self.port}/"
        if self.opened:
            return f"{self.scheme}://{node}:{self.node_port}/"
        return f"{self.scheme}://{LOOPBACK}:{forwarded}/"

    def warnings(self, user: str) -> Iterator[str]:
        """What to know before others do; ``user`` is whose token is used, empty for nobody's."""
        where = "who reaches a node of this lab" if self.opened else "who has a login on this host"
        if not self.login:
            yield f"{self.name} asks nobody to log in: {where} sees what is in the cluster"
        if self.opened and user == "admin-user":
            how = "" if self.scheme == "https" else ", and http does not hide it"
            yield (
                f"a token of admin-user goes over the network{how}: whoever gets it has the whole"
                " cluster for as long as it lives; --user viewer can only read"
            )
        if self.exposure == "LoadBalancer" and not self.given:
            yield (
                "nothing here gave the load balancer an address yet (pending); the port on nodes"
                " serves meanwhile"
            )


def find_page(kubectl: Kubectl) -> Page | None:
    """The dashboard of a cluster; None where there is none.

    Raises:
        LabError: the API does not answer.
    """
    found = kubectl.get("services", "--all-namespaces", "-l", LABEL)
    if not found:
        return None
    service = found[0]
    port = service["spec"]["ports"][0]
    given = service["status"].get("loadBalancer", {}).get("ingress") or [{}]
    return Page(
        name=service["metadata"]["name"],
        exposure=service["spec"]["type"],
        scheme=port["name"],
        port=port["port"],
        node_port=port.get("nodePort", 0),
        login=service["metadata"]["annotations"][LOGIN] != "none",
        given=given[0].get("ip") or given[0].get("hostname") or "",
    )


def make_token(kubectl: Kubectl, page: Page, user: str) -> str:
    """A token of an account of the page, bound to it, which lives for an hour.

    The API is asked as such: it has given such tokens since 1.20, kubectl a word for it since 1.24.

    Raises:
        LabError: there is no such account, or the API does not answer.
    """
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    path = f"/api/v1/namespaces/{page.name}/serviceaccounts/{user}/token"
    answer = kubectl.call("create", "--raw", path, "-f", "-", stdin=json.dumps(request))
    token: str = json.loads(answer.stdout)["status"]["token"]
    return token


@contextmanager
def forwarded(kubectl: Kubectl, page: Page, port: int) -> Iterator[Iterator[str]]:
    """Forward ``port`` of this host's loopback to the page for the length of a block.

    Gives what kubectl says from then on; it has no end but that of the block or of the page.

    Raises:
        LabError: the port is taken, no pod of the page runs, or it went away.
    """
    if kubectl.through:
        raise LabError(
            "this host reaches the cluster only by way of its control plane",
            "A port-forward would end there.",
            "Use `exposure: NodePort`, or ssh -L to a node.",
        )
    words = ("-n", page.name, "port-forward", f"service/{page.name}", f"--address={LOOPBACK}")
    argv = kubectl.argv(*words, "--pod-running-timeout=30s", f"{port}:{page.port}")
    hint = "If the port is taken, pick another with --port; else look at the page's pods."
    with stream([*WITH_US, *argv], hint=hint) as lines:
        for line in lines:
            if line.startswith("Forwarding from"):
                break
        yield lines
