"""Whether NetworkPolicies are enforced: deny-all blocks traffic, and an allow rule permits it."""

import time

import jinja2

from provisioner.checks.verify import NAMESPACE, CheckFailed, Cluster

ENFORCED_SECONDS = 20
# The longest time that a reachable pod takes to answer. A blocked pod never answers.
FETCH_SECONDS = 2
ASKED = "asked"

POLICIES = jinja2.Template("""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: {{ name }}, namespace: {{ namespace }}}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: {{ ingress }}
""")
ALLOWED = "[{from: [{podSelector: {matchLabels: {app: ask}}}], ports: [{port: 8080}]}]"


def _apply(cluster: Cluster, name: str, ingress: str) -> None:
    text = POLICIES.render(name=name, namespace=NAMESPACE, ingress=ingress)
    cluster.kubectl.call("apply", "-f", "-", stdin=text)


def _answers(cluster: Cluster, node: str, address: str) -> bool:
    seconds = str(int(FETCH_SECONDS * cluster.slowness))
    # The last word shows that the pod was asked: no answer of its own is no blocked one.
    script = f'timeout "$1" wget -q -O - "$2"; echo {ASKED}'
    answer = cluster.ask(node, "sh", "-c", script, "sh", seconds, f"http://{address}:8080/")
    if ASKED not in answer.stdout.split():
        raise CheckFailed(f"{node}: pod ask-{node} cannot be asked: {answer.stderr.strip()}")
    return "web-" in answer.stdout


def _becomes(cluster: Cluster, node: str, address: str, wanted: bool, seconds: float) -> bool:
    """Whether a pod reaches the ``wanted`` state within ``seconds``; it is asked at least once."""
    deadline = cluster.deadline(seconds)
    while _answers(cluster, node, address) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def network_policy(cluster: Cluster) -> str:
    """Deny-all blocks the pods of all nodes from a web pod, and an allow rule permits them.

    A pod network that does not enforce policies, as its component says, has no fault.
    """
    cni, nodes = cluster.spec.cni.name, cluster.nodes
    enforcing = cluster.network.network_policy
    pod = cluster.pods[0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    try:
        _apply(cluster, "deny-all", "[]")
        for node in nodes:
            patience = ENFORCED_SECONDS if enforcing else 0
            if not _becomes(cluster, node, address, wanted=False, seconds=patience):
                if enforcing:
                    raise CheckFailed(
                        f"{node}: {name} ({address}) answers despite a deny-all policy"
                    )
                return f"not enforced: {cni} has no NetworkPolicy"
        _apply(cluster, "allow-ask", ALLOWED)
        for node in nodes:
            if not _becomes(cluster, node, address, wanted=True, seconds=ENFORCED_SECONDS):
                raise CheckFailed(
                    f"{node}: {name} ({address}) does not answer, though a policy allows it"
                )
    finally:
        cluster.kubectl.call("-n", NAMESPACE, "delete", "networkpolicy", "--all", check=False)
    return f"deny-all blocks, allow opens, from {len(nodes)} nodes"
