"""Filters for the objects and the order of addons."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

Object = dict[str, Any]


def objects(text: str, namespace: str, system: list[str], label: str, name: str) -> list[Object]:
    """The objects of a rendered manifest with the label, and with a Namespace of their own."""
    found = [document for document in yaml.safe_load_all(text) if document]
    spaces = {item["metadata"]["name"] for item in found if item["kind"] == "Namespace"}
    if namespace and namespace not in {*system, *spaces}:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        found.insert(0, space)
    for item in found:
        metadata = item.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), label: name}
    return found


def without(items: list[Object], found: list[str]) -> list[Object]:
    """The objects except those of the lines KIND NAMESPACE NAME, as kubectl's columns have them."""
    there = {tuple(line.split()) for line in found}

    def line(item: Object) -> tuple[str, str, str]:
        metadata = item["metadata"]
        return item["kind"], metadata.get("namespace", "<none>"), metadata["name"]

    return [item for item in items if line(item) not in there]


def types(items: list[Object]) -> list[str]:
    """Types of objects as kubectl takes them: KIND, or KIND.VERSION.GROUP."""
    found = set()
    for item in items:
        group, _, version = item["apiVersion"].rpartition("/")
        found.add(".".join(filter(None, (item["kind"], group and version, group))))
    return sorted(found)


def in_order(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The components so that each comes after those of them that it requires."""
    by_name = {component["name"]: component for component in components}
    ordered: dict[str, dict[str, Any]] = {}

    def add(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise AnsibleFilterError(f"addons require each other: {' -> '.join((*way, name))}")
        if name in by_name and name not in ordered:
            for required in by_name[name].get("requires", []):
                add(required, (*way, name))
            ordered[name] = by_name[name]

    for name in by_name:
        add(name, ())
    return list(ordered.values())


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "kubelab_objects": objects,
            "kubelab_without": without,
            "kubelab_types": types,
            "kubelab_in_order": in_order,
        }
