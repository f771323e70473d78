"""Moments at which tests stop a command. Nothing else in tests/ names a task of a role to wait for.

A moment has come when its task starts, and is hit when a node shows that the task is at work. It
was missed when the command, the phase or the task was over before the signal: see ``Stopped``.
What a task starts in the background is over with the task that waits for it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """``task`` as events name it; ``sign`` is a command that succeeds on ``node`` once it runs.

    ``waits`` is the task that waits for what ``task`` starts in the background.
    """

    task: str
    phase: str = "cluster"
    node: str = ""
    sign: str = ""
    waits: str = ""


MOMENTS = {
    "machines": Moment("start", phase="machines"),
    "facts": Moment("Gathering Facts"),
    "runtime": Moment("runtime : Start docker"),
    "init": Moment(
        "control_plane : Run kubeadm init",
        waits="control_plane : Wait for kubeadm init",
        node="master",
        # Half of it: certificates and manifests are written, and no pod runs yet.
        sign="test -e /etc/kubernetes/manifests/etcd.yaml",
    ),
    # The workers are prepared, and none has joined.
    "network": Moment("addon : Compare the objects with the cluster"),
    "join": Moment("join : Run kubeadm join"),
    "rejoin": Moment("join : Run kubeadm join", "join", "worker1", "pgrep -x kubeadm"),
    "reset": Moment("reset : Run kubeadm reset", phase="reset"),
    "reset-files": Moment("cni : Remove the files of the pod network", phase="reset"),
    "links": Moment("cni : Remove the links of the pod network", phase="network"),
    "files": Moment("cni : Remove the files of the pod network", phase="network"),
}
