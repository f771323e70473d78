"""Commands that query container runtimes on a node, by the name of the runtime."""

from collections.abc import Mapping, Sequence

_DRIVER: Mapping[str, Sequence[str]] = {
    "docker": ("docker", "info", "--format", "{{.CgroupDriver}}"),
}


def driver_of(runtime: str) -> list[str]:
    """The command that prints a runtime's cgroup driver on a node."""
    return list(_DRIVER[runtime])
