"""A filter that finds pods which run another image than their node has under its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# How kubelet tells an image that came from an archive: by its id. Others came from a registry.
BY_ID = "docker://"


def _short(name: str) -> str:
    for prefix in ("docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name


def _replaced(pod: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    wanted = {c["name"]: _short(c["image"]) for c in pod["spec"]["containers"]}
    for status in pod.get("status", {}).get("containerStatuses", []):
        name, runs = wanted.get(status["name"], ""), status.get("imageID", "")
        if name in ids and runs.startswith(BY_ID) and runs.removeprefix(BY_ID) != ids[name]:
            yield name


def stale(pods: list[dict[str, Any]], ids: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Namespace and name of each such pod that a controller makes anew.

    ``ids`` are the ids of images by the name of a node and the image's name. Static pods belong to
    their node: kubeadm changes those.
    """
    found = []
    for pod in pods:
        data = pod["metadata"]
        owners = [o["kind"] for o in data.get("ownerReferences", []) if o.get("controller")]
        if not owners or "Node" in owners or "deletionTimestamp" in data:
            continue
        if list(_replaced(pod, ids.get(pod["spec"].get("nodeName", ""), {}))):
            found.append({"namespace": data["namespace"], "name": data["name"]})
    return found


class FilterModule:
    """The filter, by name."""

    def filters(self) -> dict[str, Any]:
        """All of them."""
        return {"image_refresh_stale": stale}
