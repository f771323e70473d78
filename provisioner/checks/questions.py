"""The questions that ``verify`` asks a cluster, from the nodes to the workload."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import takewhile

from provisioner.checks.kubectl import is_ready, said_of
from provisioner.checks.machines import certificates, control_plane, machines
from provisioner.checks.policy import network_policy
from provisioner.checks.runtimes import driver_of
from provisioner.checks.verify import (
    FETCH_SECONDS,
    NAMESPACE,
    OTHER,
    Check,
    CheckFailed,
    Cluster,
    wait_for_pods,
)

# kubeadm's own default for the domain of services.
DOMAIN = "svc.cluster.local"


# Conditions of a node on which kubelet evicts pods, or takes none.
PRESSURES = ("DiskPressure", "MemoryPressure", "PIDPressure")
# What every cluster of kubeadm has.
OBJECTS = (
    *("daemonset.apps/kube-proxy", "configmap/kube-proxy"),
    *("deployment.apps/coredns", "configmap/coredns", "service/kube-dns"),
)


def nodes_ready(cluster: Cluster) -> str:
    """Every node of the spec is registered, Ready, and has the version of the spec."""
    found = {node["metadata"]["name"]: node for node in cluster.kubectl.get("nodes")}
    wanted = f"v{cluster.spec.kubernetes.version}"
    for name in cluster.nodes:
        if name not in found:
            raise CheckFailed(f"{name}: not registered with the API server")
        if not is_ready(found[name]):
            raise CheckFailed(f"{name}: not Ready: {said_of(found[name], 'Ready')}".rstrip(": "))
        for kind in PRESSURES:
            if said := said_of(found[name], kind, status="True"):
                raise CheckFailed(f"{name}: {kind}: {said}")
        version = found[name]["status"]["nodeInfo"]["kubeletVersion"]
        if version != wanted:
            raise CheckFailed(f"{name}: kubelet is {version}, expected {wanted}")
    return f"{len(cluster.nodes)} of {len(cluster.nodes)}, {wanted}"


def system_objects(cluster: Cluster) -> str:
    """What kubeadm and the pod network made is there, and asks for pods."""
    words = ("-n", "kube-system", "get", "--ignore-not-found", "-o", "name")
    found = cluster.kubectl.call(*words, *OBJECTS).stdout.split()
    missing = [f"{name} of kube-system is not there" for name in OBJECTS if name not in found]
    if "service/kubernetes" not in cluster.kubectl.call("get", "services", "-o", "name").stdout:
        missing.append("service/kubernetes of default is not there")
    daemons = cluster.kubectl.get("daemonsets", "-n", "kube-system", "-l", "kubelab/cni")
    if not daemons and cluster.network.pods:
        missing.append(f"the DaemonSet of the pod network {cluster.spec.cni.name} is not there")
    if missing:
        raise CheckFailed(f"{'; '.join(missing)}: `kubelab up` makes it again")
    return f"{len(OBJECTS) + 1 + len(daemons)} of kubeadm and {cluster.spec.cni.name}"


def system_pods(cluster: Cluster) -> str:
    """Every pod of kube-system is Ready."""
    pods = wait_for_pods(cluster, "kube-system")
    return f"{len(pods)} of {len(pods)} running"


def runtime_driver(cluster: Cluster) -> str:
    """The runtime on every node has the spec's cgroup driver."""
    runtime, wanted = cluster.spec.runtime.name, cluster.spec.runtime.cgroup_driver
    for node in cluster.nodes:
        answer = cluster.on_node(node, driver_of(runtime))
        found = answer.stdout.strip()
        if answer.code != 0:
            raise CheckFailed(f"{node}: {runtime} does not answer: {answer.stderr.strip()}")
        if found != wanted:
            raise CheckFailed(f"{node}: {runtime} is on {found}, expected {wanted}")
    return f"{wanted} on {len(cluster.nodes)} nodes"


def kubelet_driver(cluster: Cluster) -> str:
    """The running kubelet of every node, asked through the API, has the spec's cgroup driver."""
    wanted = cluster.spec.runtime.cgroup_driver
    for node in cluster.nodes:
        config = cluster.kubectl.call("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz").stdout
        found = re.search(r'"cgroupDriver":"(\w+)"', config)
        if not found or found[1] != wanted:
            raise CheckFailed(f"{node}: kubelet is on {found and found[1]}, expected {wanted}")
    return f"{wanted} on {len(cluster.nodes)} nodes"


def deployment(cluster: Cluster) -> str:
    """Four replicas run, and every node has an ``ask`` pod."""
    cluster.pods = wait_for_pods(cluster, NAMESPACE, "app=web", 4)
    wait_for_pods(cluster, NAMESPACE, "app=ask", len(cluster.nodes))
    places = {pod["spec"]["nodeName"] for pod in cluster.pods}
    return f"4 of 4 replicas on {len(places)} nodes"


def _fetch(cluster: Cluster, node: str, targets: Mapping[str, str]) -> None:
    """Fetch every URL of ``targets`` from the pod on ``node``; its values name who answers."""
    # One exec for all URLs, because starting a program in a container takes most of the time.
    # Not wget's own option -T, because it crashes the busybox 1.35 of older toolboxes.
    seconds = FETCH_SECONDS * cluster.slowness
    script = f'for url; do timeout {seconds:.0f} wget -q -O - "$url" || exit; done'
    answer = cluster.ask(
        node, "sh", "-c", script, "sh", *targets, more=FETCH_SECONDS * len(targets)
    )
    good = list(takewhile(lambda line: line.startswith("web-"), answer.stdout.split()))
    if answer.code != 0 or len(good) != len(targets):
        url, what = list(targets.items())[min(len(good), len(targets) - 1)]
        raise CheckFailed(
            f"{node}: pod ask-{node} got no answer from {what}, {url}: {answer.stderr.strip()}"
        )


def pod_to_pod(cluster: Cluster) -> str:
    """A pod on every node reaches a web pod on every node, across nodes and within one."""
    places = {pod["spec"]["nodeName"]: pod for pod in cluster.pods}
    targets = {
        f"http://{pod['status']['podIP']}:8080/": f"{pod['metadata']['name']} on {place}"
        for place, pod in places.items()
    }
    for node in cluster.nodes:
        _fetch(cluster, node, targets)
    return f"{len(cluster.nodes) * len(targets)} of {len(cluster.nodes) * len(targets)} paths"


def _service(cluster: Cluster, namespace: str) -> tuple[str, int]:
    service = cluster.kubectl.get("service", "web", "-n", namespace)[0]
    return service["spec"]["clusterIP"], service["spec"]["ports"][0].get("nodePort", 0)


def cluster_ip(cluster: Cluster) -> str:
    """A service's ClusterIP answers from a pod on every node."""
    address, _ = _service(cluster, NAMESPACE)
    for node in cluster.nodes:
        _fetch(cluster, node, {f"http://{address}/": "service web"})
    return f"{address} from {len(cluster.nodes)} nodes"


def node_port(cluster: Cluster) -> str:
    """A NodePort answers on every node, asked from this host or, if it has no route, from a pod."""
    _, port = _service(cluster, NAMESPACE)
    urls = {f"http://{node.address}:{port}/": node.name for node in cluster.spec.nodes}
    found = f"port {port} on {len(urls)} nodes"
    if cluster.kubectl.through:
        _fetch(cluster, cluster.nodes[0], urls)
        return f"{found}, asked from a pod: the machines are on another host's network"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url, node in urls.items():
        try:
            body = direct.open(url, timeout=FETCH_SECONDS * cluster.slowness).read().decode()
        except (urllib.error.URLError, OSError) as error:
            raise CheckFailed(f"{node}: no answer from {url} on this host: {error}") from None
        if "web-" not in body:
            raise CheckFailed(f"{node}: {url} gave an unexpected answer: {body[:60]!r}")
    return found


def _names(cluster: Cluster) -> Iterator[tuple[str, str]]:
    api = cluster.kubectl.get("service", "kubernetes")[0]["spec"]["clusterIP"]
    yield "kubernetes.default", api
    yield f"web.{OTHER}", _service(cluster, OTHER)[0]


def dns(cluster: Cluster) -> str:
    """CoreDNS resolves the names of services in a pod on every node."""
    server = cluster.kubectl.get("service", "kube-dns", "-n", "kube-system")[0]["spec"]["clusterIP"]
    wanted = list(_names(cluster))
    # getent resolves as programs in pods do, by the C library; every getent knows `hosts`. nslookup
    # shows who answered.
    addresses = [address for _, address in wanted]
    names = [name for name, _ in wanted]
    each = ("sh", "-c", 'for name; do nslookup "$name"; done', "sh")
    questions: dict[tuple[str, ...], list[str]] = {
        ("getent", "hosts", *names): addresses,
        (*each, *(f"{name}.{DOMAIN}" for name in names)): [*addresses, server],
    }
    for node in cluster.nodes:
        for question, right in questions.items():
            answer = cluster.ask(node, *question)
            if not set(right) <= set(answer.stdout.split()):
                said = (answer.stdout + answer.stderr).replace("\n", " ").strip()
                asked = f"`{' '.join(question)}` in ask-{node}"
                raise CheckFailed(f"{node}: {asked} lacks {' and '.join(right)}: {said}")
    return f"{', '.join(name for name, _ in wanted)} by CoreDNS ({server})"


def self_healing(cluster: Cluster) -> str:
    """A Deployment replaces a pod that was deleted."""
    victim = cluster.pods[0]["metadata"]["name"]
    cluster.kubectl.call("-n", NAMESPACE, "delete", "pod", victim, "--wait=false")
    pods = wait_for_pods(cluster, NAMESPACE, "app=web", 4)
    if victim in {pod["metadata"]["name"] for pod in pods}:
        raise CheckFailed(f"{victim} was deleted and is still there")
    return f"{victim} died, 4 of 4 again"


def basic_questions(runtime: str) -> dict[str, Check]:
    """The questions that come first. If one fails, the deep questions are not asked."""
    return {
        "machines": machines,
        "certificates": certificates,
        "control-plane": control_plane,
        "nodes-ready": nodes_ready,
        "system-objects": system_objects,
        "system-pods": system_pods,
        f"{runtime}-cgroup-driver": runtime_driver,
        "kubelet-cgroup-driver": kubelet_driver,
    }


DEEP: dict[str, Check] = {
    "deployment": deployment,
    "pod-to-pod": pod_to_pod,
    "cluster-ip": cluster_ip,
    "node-port": node_port,
    "dns": dns,
    "network-policy": network_policy,
    "self-healing": self_healing,
}
