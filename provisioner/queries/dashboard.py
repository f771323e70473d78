"""The dashboard of a running lab: its address, tokens for it, and a port-forward to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from provisioner.checks.kubectl import Kubectl

# The label and the annotation that the role dashboard sets.
LABEL, LOGIN = "kubelab/dashboard", "kubelab/login"
TOKEN_SECONDS = 3600
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Page:
    """A dashboard, from its service.

    ``given`` is the address of its load balancer, if any. ``target`` is the port of its pods, which
    have the labels ``selector``.
    """

    name: str
    exposure: str
    scheme: str
    port: int
    node_port: int
    login: bool
    given: str = ""
    target: int = 0
    selector: dict[str, str] = field(default_factory=dict)

    @property
    def opened(self) -> bool:
        """Whether other hosts can reach it."""
        return self.exposure != "ClusterIP"

    def url(self, node: str, forwarded: int) -> str:
        """The URL of the page; ``node`` is a node's address, ``forwarded`` a local port."""
        if self.given:
            return f"{self.scheme}://{self.given}:{self.port}/"
        if self.opened:
            return f"{self.scheme}://{node}:{self.node_port}/"
        return f"{self.scheme}://{LOOPBACK}:{forwarded}/"

    def warnings(self, user: str, *, forwarded: bool = True) -> Iterator[str]:
        """What to know of it; ``user`` is the account of the token, empty without a token."""
        where = "who reaches a node of this lab" if self.opened else "who has a login on this host"
        if not self.login:
            yield f"{self.name} has no login: everybody {where} sees what is in the cluster"
        if self.opened and user == "admin-user":
            how = "" if self.scheme == "https" else ", and http does not hide it"
            yield (
                f"a token of admin-user goes over the network{how}: whoever gets it has the whole"
                " cluster for as long as it lives; --user viewer can only read"
            )
        if self.scheme == "https":
            yield (
                f"{self.name} makes a certificate of its own at each start of its pod: the browser"
                " warns of it, also again after a restart"
            )
        if not self.opened and not forwarded:
            yield "the URL answers only while `kubelab dashboard` runs without --print"
        if self.exposure == "LoadBalancer" and not self.given:
            yield (
                "the load balancer has no address yet (pending); meanwhile the port on nodes serves"
                " the page"
            )


def find_page(kubectl: Kubectl) -> Page | None:
    """The dashboard of a cluster; None if there is none.

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
        target=port["targetPort"],
        selector=service["spec"]["selector"],
    )


def make_token(kubectl: Kubectl, page: Page, user: str) -> str:
    """A token of a service account of the page, bound to that account, valid for one hour.

    The request is raw, because the API has had it since 1.20, and kubectl a command since 1.24.

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
