"""Commands that query container runtimes on a node, by the name of the runtime."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.lab import PROJECT

_DRIVER: Mapping[str, Sequence[str]] = {
    "docker": ("docker", "info", "--format", "{{.CgroupDriver}}"),
}
_SERVICES: Mapping[str, Sequence[str]] = {"docker": ("docker.service",)}
# What stands between a runtime and kubelet.
_SHIMS: Mapping[str, Sequence[str]] = {"cri-dockerd": ("cri-docker.service",)}


def driver_of(runtime: str) -> list[str]:
    """The command that prints a runtime's cgroup driver on a node."""
    return list(_DRIVER[runtime])


def causes_script(runtime: str) -> Path:
    """The script that prints why services and static pods of a node do not run."""
    return PROJECT / "roles/runtime/files" / f"{runtime}_causes.sh"


def services_of(runtime: str, components: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The units that every node needs, by the components of a set's manifest."""
    ways = [c.get("settings", {}).get("cri", "") for c in components if c["kind"] == "kubernetes"]
    shims = [unit for way in ways for unit in _SHIMS.get(way, ())]
    return (*_SERVICES[runtime], *shims, "kubelet.service")
