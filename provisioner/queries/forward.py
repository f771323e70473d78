"""A port-forward to the dashboard of a lab that goes on when its pod is replaced."""

import socket
import time
from collections.abc import Generator, Iterator

import psutil

from provisioner.checks.kubectl import Kubectl, is_ready
from provisioner.errors import LabError
from provisioner.queries.dashboard import LOOPBACK, Page
from provisioner.shell import WITH_US, Background, background

# How often the pod is looked at, and how long a Ready one is waited for, in seconds.
LOOK_SECONDS, POD_SECONDS = 2.0, 120.0
UP = "Forwarding from"
# What kubectl prints for each connection.
CHATTER = ("Handling connection", UP)


def check_forward(kubectl: Kubectl, port: int) -> None:
    """Check that a forward is possible, before anything is printed that is of no use without it.

    Raises:
        LabError: the port is taken, or this host does not reach the cluster itself.
    """
    if kubectl.through:
        raise LabError(
            "this host reaches the cluster only through its control plane",
            "A port-forward would end there.",
            "Use `exposure: NodePort`, or ssh -L to a node.",
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise _taken(port, error) from None


def _taken(port: int, error: OSError) -> LabError:
    holder = _holder_of(port)
    brief = (
        f"port {port} is taken by {holder}" if holder else f"port {port} cannot be used: {error}"
    )
    return LabError(brief, "", "Choose another one: pass --port N.")


def _holder_of(port: int) -> str:
    """The program that listens on a port, as far as this user may see it."""
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
            if one.pid is None:
                return "a program of another user"
            return f"{psutil.Process(one.pid).name()} (process {one.pid})"
    return ""


def forwarded(kubectl: Kubectl, page: Page, port: int) -> Generator[str, None, None]:
    """Forward ``port`` of this host's loopback to the page, for as long as the lines are read.

    The first line comes once the forward stands. When the pod goes, the forward goes to the next
    one.

    Raises:
        LabError: no pod of the page gets Ready, or kubectl cannot forward.
    """
    pod = _ready_pod(kubectl, page)
    while True:
        words = ("-n", page.name, "port-forward", f"pod/{pod}", f"--address={LOOPBACK}")
        argv = [*WITH_US, *kubectl.argv(*words, f"{port}:{page.target}")]
        with background(argv, env=kubectl.environment) as process:
            _await_up(process)
            yield f"{page.name}: forwarding port {port} to pod {pod}"
            yield from _until_it_goes(kubectl, page, pod, process)
        yield f"{page.name}: the forward to pod {pod} has ended; waiting for a pod that is Ready"
        pod = _ready_pod(kubectl, page)


def _await_up(process: Background) -> None:
    said = []
    deadline = time.monotonic() + POD_SECONDS
    while not process.ended and time.monotonic() < deadline:
        line = process.line(LOOK_SECONDS)
        if line.startswith(UP):
            return
        said += [line] if line else []
    details = "\n".join(said[-5:]) or "kubectl said nothing"
    raise LabError("the port-forward did not start", details, "Run `kubelab verify`.")


def _until_it_goes(kubectl: Kubectl, page: Page, pod: str, process: Background) -> Iterator[str]:
    """What kubectl says of a forward, until that ends or its pod is no longer Ready."""
    while not process.ended:
        line = process.line(LOOK_SECONDS)
        if line and not line.startswith(CHATTER):
            yield f"kubectl: {line}"
        if pod not in _ready_pods(kubectl, page)[0]:
            return


def _ready_pods(kubectl: Kubectl, page: Page) -> tuple[list[str], str]:
    """The pods of a page that are Ready, and why the API server does not say."""
    labels = ",".join(f"{key}={value}" for key, value in page.selector.items())
    try:
        pods = kubectl.get("pods", "-n", page.name, "-l", labels)
    except LabError as error:
        return [], error.details
    ready = (p for p in pods if is_ready(p) and "deletionTimestamp" not in p["metadata"])
    return [pod["metadata"]["name"] for pod in ready], ""


def _ready_pod(kubectl: Kubectl, page: Page) -> str:
    """A Ready pod of the page, once there is one."""
    deadline = time.monotonic() + POD_SECONDS
    while True:
        found, why = _ready_pods(kubectl, page)
        if found:
            return found[0]
        if time.monotonic() > deadline:
            raise LabError(
                f"no pod of {page.name} is Ready after {POD_SECONDS:.0f} s",
                why,
                f"`kubelab kubectl -- -n {page.name} describe pods` says more.",
            )
        time.sleep(LOOK_SECONDS)
