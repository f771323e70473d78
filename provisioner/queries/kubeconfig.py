"""Merging a lab's kubeconfig into the user's own."""

import os
import shutil
import time
from pathlib import Path

import yaml

from provisioner.context import Context
from provisioner.shell import run


def _named(text: str, name: str) -> str:
    """A kubeconfig of kubeadm with cluster, user and context named after the lab."""
    data = yaml.safe_load(text)
    for kind in ("clusters", "users", "contexts"):
        for entry in data[kind]:
            entry["name"] = name
    for entry in data["contexts"]:
        entry["context"] = {"cluster": name, "user": name}
    data["current-context"] = name
    return yaml.safe_dump(data)


def merge_kubeconfig(context: Context, target: Path) -> Path:
    """Add the lab to ``target`` as the current context, named after the lab; returns ``target``.

    Other contexts are kept, and a copy of the old file stays beside it.
    """
    lab = context.lab
    named = lab.dir / "kubeconfig.named"
    lab.write(named, _named(lab.kubeconfig.read_text(encoding="utf-8"), lab.name))
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = [named]
    if target.exists():
        paths.append(target)
        stamp = time.strftime("%Y%m%dT%H%M%S")
        shutil.copy2(target, target.with_name(f"{target.name}.{stamp}.before-kubelab"))
    merged = run(
        [str(lab.kubectl), "config", "view", "--flatten"],
        env={"KUBECONFIG": os.pathsep.join(map(str, paths))},
    ).stdout
    draft = target.with_name(f".{target.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(merged, encoding="utf-8")
    draft.replace(target)
    return target
