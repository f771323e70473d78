"""Questions to the API of a lab's cluster, by the kubectl of the cluster's own version."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import LabError
from provisioner.shell import Result, run


@dataclass(frozen=True)
class Kubectl:
    """kubectl, bound to one cluster.

    ``through`` is the command line of ssh to a control plane, where this host does not reach the
    API: its own kubectl is asked then.
    """

    program: Path
    kubeconfig: Path
    through: tuple[str, ...] = ()

    def argv(self, *args: str) -> list[str]:
        """The whole command line for ``args``."""
        if self.through:
            there = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *args)
            return [*self.through, "--", shlex.join(there)]
        return [str(self.program), "--kubeconfig", str(self.kubeconfig), *args]

    def call(
        self, *args: str, check: bool = True, stdin: str | None = None, timeout: float = 60
    ) -> Result:
        """Run kubectl; ``timeout`` is in seconds.

        Raises:
            LabError: there is no kubeconfig yet, or kubectl failed (and ``check``).
        """
        if not (self.program.exists() and self.kubeconfig.exists()):
            raise LabError(
                "this lab has no cluster yet",
                f"missing: {self.kubeconfig if self.program.exists() else self.program}",
                "Run `kubelab up` first.",
            )
        return run(self.argv(*args), check=check, stdin=stdin, timeout=timeout)

    def get(self, *args: str, timeout: float = 20) -> list[dict[str, Any]]:
        """The objects that ``kubectl get`` finds, each as the API's JSON.

        Raises:
            LabError: as ``call``.
        """
        answer = self.call("get", *args, "-o", "json", f"--request-timeout={timeout}s")
        document: dict[str, Any] = json.loads(answer.stdout)
        items: list[dict[str, Any]] = document.get("items", [document])
        return items


def is_ready(node_or_pod: dict[str, Any]) -> bool:
    """Whether the object's own condition ``Ready`` is true."""
    conditions = node_or_pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
