"""The questions of ``verify`` that machines answer, whether the API server does or not."""

import base64
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509

from provisioner.checks.runtimes import causes_script
from provisioner.checks.verify import CheckFailed, Cluster, NoAnswer, State
from provisioner.errors import LabError
from provisioner.shell import Result, tail

QUESTION = Path(__file__).with_name("machine.sh")
# Static pods of a control plane, in the order in which one needs the other.
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# A token is refused, and a lease counts as old, where clocks differ by more.
SKEW_SECONDS = 10.0
# kubelet evicts pods below its own limits, which are higher; below these nothing works.
FREE_MIB, FREE_INODES = 200, 1000

OnNode = Callable[[str, list[str]], Result]


@cache
def _script(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _lines(on_node: OnNode, node: str, script: Path, *words: str) -> list[str]:
    """What a script prints on a node.

    Raises:
        CheckFailed: the machine gave no answer.
    """
    try:
        answer = on_node(node, ["sh", "-c", _script(script), "sh", *words])
    except LabError as error:
        said = ": ".join(filter(None, [error.brief, tail(error.details, lines=1)]))
        raise CheckFailed(f"{node}: no answer of the machine: {said}") from None
    if answer.code != 0:
        said = tail(answer.stderr, lines=1) or f"exit code {answer.code}"
        raise CheckFailed(f"{node}: no answer of the machine: {said}")
    return answer.stdout.splitlines()


def causes(
    on_node: OnNode, node: str, runtime: str, services: Sequence[str], pods: Sequence[str] = ()
) -> list[str]:
    """Why services and static pods of a node do not run, a sentence each.

    Raises:
        CheckFailed: the machine gave no answer.
    """
    found = _lines(on_node, node, causes_script(runtime), *services, "--", *pods)
    return [f"{node}: {line}" for line in found]


def _of_all(cluster: Cluster, ask: Callable[[str], list[str]]) -> list[str]:
    """The answers of all nodes, those without an answer among them as a sentence."""

    def told(node: str) -> list[str]:
        try:
            return ask(node)
        except CheckFailed as fault:
            return [str(fault)]

    with ThreadPoolExecutor(max_workers=len(cluster.nodes)) as pool:
        return [line for lines in pool.map(told, cluster.nodes) for line in lines]


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise CheckFailed("; ".join(faults))


def _state(cluster: Cluster, node: str) -> State:
    """What a machine says of itself: asked once, for all questions about it.

    Raises:
        CheckFailed: the machine gave no answer.
    """
    if node not in cluster.states:
        begin = time.time()
        lines = _lines(cluster.on_node, node, QUESTION)
        cluster.states[node] = State(begin, time.time(), lines)
    return cluster.states[node]


def _state_faults(cluster: Cluster, node: str) -> Iterator[str]:
    state = _state(cluster, node)
    for line in state.lines:
        kind, *words = line.split()
        if kind == "clock":
            skew = max(state.begin - float(words[0]), float(words[0]) - state.end)
            if skew > SKEW_SECONDS:
                yield f"{node}: its clock differs from this host's by {skew:.0f} s"
        elif kind == "disk" and int(words[1]) < FREE_MIB:
            yield f"{node}: {words[0]} has {words[1]} MiB left: kubelet starts no pod there"
        elif kind == "inodes" and int(words[1]) < FREE_INODES:
            yield f"{node}: {words[0]} has {words[1]} inodes left: nothing can be written there"


def machines(cluster: Cluster) -> str:
    """Every machine answers, with its services running, room on its disks and the right time."""
    runtime, services = cluster.spec.runtime.name, cluster.services

    def ask(node: str) -> list[str]:
        found = causes(cluster.on_node, node, runtime, services)
        return [*found, *_state_faults(cluster, node)]

    _refuse(_of_all(cluster, ask))
    return f"{', '.join(services)} on {len(cluster.nodes)} nodes"


def _expiry(path: str, data: str, now: datetime) -> tuple[datetime, str]:
    """When the first certificate of a file ends, and what is wrong with it now."""
    found = x509.load_pem_x509_certificates(base64.b64decode(data))
    first = min(found, key=lambda one: one.not_valid_after_utc)
    ends, begins = first.not_valid_after_utc, max(one.not_valid_before_utc for one in found)
    if ends < now:
        return ends, f"{path} expired on {ends:%Y-%m-%d}: `kubelab up` renews it"
    return ends, f"{path} is not valid before {begins:%Y-%m-%d %H:%M}" if begins > now else ""


def certificates(cluster: Cluster) -> str:
    """Every certificate on every machine is valid now."""
    now, ends = datetime.now(UTC), []

    def ask(node: str) -> list[str]:
        faults = []
        for line in _state(cluster, node).lines:
            kind, *words = line.split()
            if kind != "certificate":
                continue
            if len(words) < 2:
                faults.append(f"{node}: {words[0]} has no certificate")
                continue
            end, fault = _expiry(words[0], words[1], now)
            ends.append(end)
            faults += [f"{node}: {fault}"] if fault else []
        return faults

    _refuse(_of_all(cluster, ask))
    return f"{len(ends)} valid, the first until {min(ends):%Y-%m-%d}" if ends else "none"


def control_plane(cluster: Cluster) -> str:
    """Every static pod runs, and the API server says that it is ready."""
    node = cluster.spec.control_plane.name
    try:
        faults = causes(cluster.on_node, node, cluster.spec.runtime.name, (), STATIC_PODS)
    except CheckFailed as fault:
        faults = [str(fault)]
    words = ("get", "--raw", "/readyz?verbose", "--request-timeout=10s")
    try:
        answer = cluster.kubectl.call(*words, check=False)
    except LabError as error:
        raise NoAnswer("; ".join([*faults, f"no answer: {error.details}"])) from None
    if answer.code != 0:
        said = answer.stdout + answer.stderr
        wrong = [f"its check of {name} fails" for name in re.findall(r"\[-\](\S+) failed", said)]
        why = ", ".join(wrong) or tail(said, lines=1)
        raise NoAnswer("; ".join([*faults, f"the API server is not ready: {why}"]))
    _refuse(faults)
    return f"{', '.join(STATIC_PODS)} on {node}"
