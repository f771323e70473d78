"""The fingerprint of a lab: the current state of its machines and cluster, as lines of text.

The roles ask each host some fifty questions in sequence, even if there is nothing to do. If the
fingerprint equals that of the end of the last run, the roles would find nothing to do, so they
need not run. The machines are always asked; a stored fingerprint only serves for comparison.
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
# Parts that the answer of every node contains.
PARTS = {"file", "unit", "sysctl", "image"}
CLUSTER = "cluster"
SECONDS = 15
# The kinds of objects that roles apply. Every supported version of Kubernetes has all of them.
KINDS = (
    *("nodes", "namespaces", "serviceaccounts", "configmaps", "secrets", "services"),
    *("daemonsets", "deployments", "statefulsets", "networkpolicies", "customresourcedefinitions"),
    *("roles", "rolebindings", "clusterroles", "clusterrolebindings", "storageclasses"),
)
# The roles also look for the objects that kubeadm creates in this namespace.
SYSTEM = "kube-system"
SYSTEM_KINDS = ("ConfigMap", "DaemonSet", "Deployment", "Service", "Opaque")
# One line for each object: kind, namespace, name, UID and version, without its content. The version
# of a Node changes with each heartbeat, so its line has what a join set on it instead.
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
"""Lines by the name of the host; those of the cluster have the key ``CLUSTER``."""


class CommandRunner(Protocol):
    """The part of a provider that runs a command on a machine."""

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run ``argv`` on ``node`` as root."""
        ...


class _NotReadyError(LabError):
    """An object of the cluster is not Ready: the roles wait for it, or report why."""


def take(
    machines: CommandRunner, nodes: Sequence[Node], kubectl: Kubectl, *, well: bool
) -> dict[str, list[str]]:
    """The fingerprint of a lab; with ``well`` every node and workload has to be Ready.

    Raises:
        LabError: a machine or the API does not answer, or (with ``well``) something is not Ready.
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
    """The lines of a machine. All parts are required: a missing one could never differ later."""
    lines = answer.stdout.splitlines()
    if lacking := PARTS - {line.partition(" ")[0] for line in lines}:
        raise LabError(f"{name}: the answer lacks {', '.join(sorted(lacking))}")
    return lines


def _cluster(kubectl: Kubectl, well: bool) -> list[str]:
    words = ("--all-namespaces", "-o", f"go-template={TEMPLATE}", f"--request-timeout={SECONDS}s")
    # Each kind is a request of its own.
    answer = kubectl.call("get", ",".join(KINDS), *words, timeout=2 * SECONDS)
    lines = answer.stdout.splitlines()
    return sorted(found for line in lines if (found := _stable_part(line, well)))


def _stable_part(line: str, well: bool) -> str:
    """An object's line without its health; empty if no role is concerned with the object."""
    what, _, health = line.rpartition(":")
    kind, namespace, name, _, _, *applied = what.split(" ")
    ours = kind == "Node" or applied == ["applied"]
    if not ours and not (namespace == SYSTEM and kind in SYSTEM_KINDS):
        return ""
    wanted, _, ready = health.partition("=")
    is_well = health == "True" if kind == "Node" else wanted == ready
    if well and not is_well:
        raise _NotReadyError(f"{kind} {name} is not ready: {health}")
    return what


def _ask_dns(kubectl: Kubectl) -> None:
    """Ask the pods of cluster DNS directly: their status in the API may be out of date."""
    words = ("-n", SYSTEM, "-l", "k8s-app=kube-dns", "-o", "name")
    for pod in kubectl.call("get", "pods", *words).stdout.split():
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod.removeprefix('pod/')}:8181/proxy/ready"
        kubectl.call("get", "--raw", path, f"--request-timeout={SECONDS}s")


def difference(before: Fingerprint, now: Fingerprint) -> str:
    """The first difference in a few words; empty if there is none.

    New objects in the cluster are not a difference, because users create them, except new nodes.
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
    """SHA-256 (hexadecimal) of all files below folders, of texts, and of files named in texts."""
    sums = hashlib.sha256()
    texts = list(texts)
    named = {Path(word) for text in texts for word in re.findall(r"/[^\s\"'`,]+", text)}
    inside = {path for folder in folders for path in folder.rglob("*") if path.suffix != ".pyc"}
    for path in sorted(inside | named):
        # A path in a text may belong to a machine, so it may be absent or no file on this host.
        with suppress(OSError):
            if path.is_file():
                sums.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for text in texts:
        sums.update(text.encode())
    return sums.hexdigest()
