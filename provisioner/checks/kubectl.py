"""Calls of the cluster's API by kubectl, in the version of the cluster."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import LabError
from provisioner.shell import Result, run
from provisioner.surroundings import without_proxy


@dataclass(frozen=True)
class Kubectl:
    """kubectl, bound to one cluster.

    ``through`` is the ssh command line to a control plane, for a host that does not reach the API.
    The control plane's own kubectl runs then. No proxy knows the way to ``networks``.
    """

    program: Path
    kubeconfig: Path
    through: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that kubectl needs beside those of kubelab."""
        return without_proxy(self.networks)

    def argv(self, *args: str) -> list[str]:
        """The whole command line for ``args``."""
        if self.through:
            remote = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *args)
            return [*self.through, "--", shlex.join(remote)]
        return [str(self.program), "--kubeconfig", str(self.kubeconfig), *args]

    def call(
        self, *args: str, check: bool = True, stdin: str | None = None, timeout: float = 60
    ) -> Result:
        """Run kubectl; ``timeout`` is in seconds.

        Raises:
            LabError: there is no kubeconfig yet, or (with ``check``) kubectl failed.
        """
        if not (self.program.exists() and self.kubeconfig.exists()):
            raise LabError(
                "this lab has no cluster yet",
                f"missing: {self.kubeconfig if self.program.exists() else self.program}",
                "Run `kubelab up` first.",
            )
        return run(
            self.argv(*args), check=check, stdin=stdin, timeout=timeout, env=self.environment
        )

    def get(self, *args: str, timeout: float = 20) -> list[dict[str, Any]]:
        """The objects that ``kubectl get`` finds, as JSON of the API; ``timeout`` is in seconds.

        Raises:
            LabError: as ``call``.
        """
        answer = self.call("get", *args, "-o", "json", f"--request-timeout={timeout}s")
        document: dict[str, Any] = json.loads(answer.stdout)
        items: list[dict[str, Any]] = document.get("items", [document])
        return items


def is_ready(node_or_pod: dict[str, Any]) -> bool:
    """Whether the condition ``Ready`` of a node or a pod is true."""
    conditions = node_or_pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def said_of(node: dict[str, Any], kind: str, status: str = "") -> str:
    """What kubelet says with a condition; with ``status``, only if it has that status."""
    found = [c for c in node.get("status", {}).get("conditions", []) if c["type"] == kind]
    return "".join(c.get("message", "") for c in found if status in ("", c["status"]))
