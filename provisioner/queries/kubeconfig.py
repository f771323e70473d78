"""Merging a lab's kubeconfig into the user's own."""

import shutil
import time
from pathlib import Path
from typing import Any

import yaml

from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.spec import bounded_yaml

LISTS = ("clusters", "users", "contexts")
# A thousand clusters, with their certificates.
MAX_BYTES = 16 << 20
NEW = {"apiVersion": "v1", "kind": "Config", "preferences": {}}


def _named(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A kubeconfig of kubeadm with cluster, user and context named after the lab."""
    named = {kind: [{**entry, "name": name} for entry in data[kind]] for kind in LISTS}
    for entry in named["contexts"]:
        entry["context"] = {"cluster": name, "user": name}
    return named


def _merged(old: dict[str, Any], new: dict[str, Any], name: str) -> dict[str, Any]:
    """``old`` with the entries of a lab, current; all else stays, known to this kubectl or not."""
    merged = {**NEW, **old, "current-context": name}
    for kind in LISTS:
        others = [entry for entry in old.get(kind) or [] if entry.get("name") != name]
        merged[kind] = [*others, *new[kind]]
    return merged


def _read(path: Path) -> dict[str, Any]:
    """A kubeconfig.

    Raises:
        LabError: the file is none; it is not touched.
    """
    try:
        data = bounded_yaml(path, MAX_BYTES) or {}
        for kind in LISTS:
            if any(not isinstance(entry, dict) for entry in data.get(kind) or []):
                raise TypeError(f"{kind} is no list of mappings")
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        hint = "Mend it or move it away, then run the same command again."
        raise LabError(f"{path} is no kubeconfig", str(error), hint) from None
    return data


def merge_kubeconfig(context: Context, target: Path) -> Path:
    """Add the lab to ``target`` as the current context, named after the lab; returns the file.

    Other entries stay as they are, and a copy of the old file stays beside it. A link stays a
    link: the file that it leads to is written.
    """
    lab, file = context.lab, target.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    old = _read(file) if file.exists() else {}
    merged = _merged(old, _named(_read(lab.kubeconfig), lab.name), lab.name)
    if file.exists():
        stamp = time.strftime("%Y%m%dT%H%M%S")
        shutil.copy2(file, file.with_name(f"{file.name}.{stamp}.before-kubelab"))
    draft = file.with_name(f".{file.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
    draft.replace(file)
    return target
