"""What a lab is now, in lines that compare: every machine, its cluster, and what they come from.

The roles ask a host some fifty questions, one after the other, to find that nothing is to be done.
Where all of this is as it was when the roles had ended, they would find the same again. Nothing
here is remembered instead of asked: what was remembered is compared with what is true now.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from provisioner.checks.kubectl import Kubectl
from provisioner.errors import LabError
from provisioner.model import Node
from provisioner.shell import Result

QUESTION = Path(__file__).with_name("fingerprint.sh")
# Of the answer, what every node has.
PARTS = {"file", "unit", "sysctl", "image"}
CLUSTER = "cluster"
SECONDS = 15
# What roles apply is of these kinds; every version of Kubernetes has them all.
KINDS = (
    *("nodes", "namespaces", "serviceaccounts", "configmaps", "secrets", "services"),
    *("daemonsets", "deployments", "statefulsets", "networkpolicies", "customresourcedefinitions"),
    *("roles", "rolebindings", "clusterroles", "clusterrolebindings", "storageclasses"),
)
# What kubeadm makes there, the roles look for.
SYSTEM = "kube-system"
SYSTEM_KINDS = ("ConfigMap", "DaemonSet", "Deployment", "Service", "Opaque")
# Of an object its kind, place, identity and version, and no content. A node's version is new with
# each heartbeat: it has the marks that a join left on it instead.
TEMPLATE = """{{range .items}}{{$kind := .kind}}\
{{if eq .kind "Secret"}}{{$kind = .type}}{{end}}\
{{$kind}} {{with .metadata.namespace}}{{.}}{{else}}-{{end}} {{.metadata.name}} {{.metadata.uid}} \
{{if eq .kind "Node"}}{{.spec.podCIDR}},{{with .metadata.annotations}}\
{{index . "kubeadm.alpha.kubernetes.io/cri-socket"}}{{end}}\
{{else if .metadata.generation}}{{.metadata.generation}}\
{{else}}{{.metadata.resourceVersion}}{{end}} \
{{with .metadata.annotations}}\
{{if index . "kubectl.kubernetes.io/last-applied-configuration"}}applied{{end}}{{end}}:\
{{if eq .kind "Node"}}{{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}\
{{else if eq .kind "DaemonSet"}}{{.status.desiredNumberScheduled}}={{.status.numberReady}}\
{{else if .spec}}{{if .spec.replicas}}{{.spec.replicas}}={{.status.readyReplicas}}{{end}}{{end}}
{{end}}"""
Fingerprint = Mapping[str, Sequence[str]]
"""Lines by host, and of the cluster."""


class Asked(Protocol):
    """The part of a provider that runs a command on a machine."""

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run it, as root."""
        ...


class _NotWellError(LabError):
    """Something in the cluster is not Ready: the roles wait for it, or say why."""


def take(
    machines: Asked, nodes: Sequence[Node], kubectl: Kubectl, *, well: bool
) -> dict[str, list[str]]:
    """The fingerprint of a lab; with ``well`` of one whose cluster is, besides.

    Raises:
        LabError: a machine or the API does not answer, or something is not Ready that has to be.
    """
    question = ["sh", "-c", QUESTION.read_text(encoding="utf-8")]
    with ThreadPoolExecutor(max_workers=len(nodes) + 2) as pool:
        cluster = pool.submit(_cluster, kubectl, well)
        dns = pool.submit(_ask_dns, kubectl) if well else None
        answers = {node.name: pool.submit(machines.exec, node, question) for node in nodes}
        if dns:
            dns.result()
        found = {name: _lines(name, answer.result()) for name, answer in answers.items()}
        return found | {CLUSTER: cluster.result()}


def _lines(name: str, answer: Result) -> list[str]:
    """The lines of a machine. Where a part is missing, no later one would find it touched."""
    lines = answer.stdout.splitlines()
    if lacking := PARTS - {line.partition(" ")[0] for line in lines}:
        raise LabError(f"{name} does not say what it has: {', '.join(sorted(lacking))}")
    return lines


def _cluster(kubectl: Kubectl, well: bool) -> list[str]:
    words = ("--all-namespaces", "-o", f"go-template={TEMPLATE}", f"--request-timeout={SECONDS}s")
    lines = kubectl.call("get", ",".join(KINDS), *words).stdout.splitlines()
    return sorted(found for line in lines if (found := _of_roles(line, well)))


def _of_roles(line: str, well: bool) -> str:
    """The part of an object's line that stays the same; empty where it is nothing of roles'."""
    what, _, health = line.rpartition(":")
    kind, namespace, name, _, _, *applied = what.split(" ")
    ours = kind == "Node" or applied == ["applied"]
    if not ours and not (namespace == SYSTEM and kind in SYSTEM_KINDS):
        return ""
    wanted, _, ready = health.partition("=")
    is_well = health == "True" if kind == "Node" else wanted == ready
    if well and not is_well:
        raise _NotWellError(f"{kind} {name} is not ready: {health}")
    return what


def _ask_dns(kubectl: Kubectl) -> None:
    """Ask the pods of cluster DNS: the API says what kubelet said last, and they may be cut off."""
    words = ("-n", SYSTEM, "-l", "k8s-app=kube-dns", "-o", "name")
    for pod in kubectl.call("get", "pods", *words).stdout.split():
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod.removeprefix('pod/')}:8181/proxy/ready"
        kubectl.call("get", "--raw", path, f"--request-timeout={SECONDS}s")


def difference(before: Fingerprint, now: Fingerprint) -> str:
    """The first thing that differs, in a few words; empty where all is as it was.

    The cluster may have more than it had: that is somebody else's.
    """
    if before.keys() != now.keys():
        return f"other machines: {', '.join(sorted(before.keys() ^ now.keys()))}"
    for name, lines in now.items():
        gone, new = set(before[name]) - set(lines), set(lines) - set(before[name])
        if name == CLUSTER:
            new = {line for line in new if line.startswith("Node ")}
        for line in sorted(gone | new):
            return f"{name}: {' '.join(line.split()[: 3 if name == CLUSTER else 2])}"
    return ""


def digest(folders: Iterable[Path], texts: Iterable[str]) -> str:
    """What stands for all files below folders, for texts, and for the files that texts name."""
    sums = hashlib.sha256()
    texts = list(texts)
    named = {Path(word) for text in texts for word in re.findall(r"/[^\s\"'`,]+", text)}
    inside = {path for folder in folders for path in folder.rglob("*") if path.suffix != ".pyc"}
    for path in sorted(inside | named):
        # A path in a text may be one of the machines, which is nothing or something else here.
        with suppress(OSError):
            if path.is_file():
                sums.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for text in texts:
        sums.update(text.encode())
    return sums.hexdigest()
