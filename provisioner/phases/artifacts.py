"""The phase that builds what a lab needs, and the inventory that tells roles where it is."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.artifacts.catalog import load_catalog
from provisioner.artifacts.plan import entries_for
from provisioner.artifacts.sets import build_set
from provisioner.artifacts.store import Store
from provisioner.lab import cache
from provisioner.model import Event
from provisioner.phases.base import Context
from provisioner.spec import LabSpec


@dataclass
class BuildArtifacts:
    """Build binaries, images and the machine root that are missing; verify those that are there."""

    key: str = "artifacts"
    title: str = "Artifacts"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: what is there has to be verified."""
        return True

    def run(self, context: Context) -> str:
        """Build them, and put kubectl where the lab's commands find it.

        Raises:
            LabError: a source cannot be reached, or a build failed.
        """
        built: list[str] = []

        def listen(event: Event) -> None:
            if event.status == "changed":
                built.append(event.task)
            context.listen(event)

        found = build_set(
            context.catalog,
            context.spec.kubernetes.version,
            context.spec.cni.name,
            cache(),
            listen,
            machine_root=context.spec.provider.name == "machine",
            jobs=(os.cpu_count() or 1) + 1,
        )
        context.artifacts = found
        kubectl = context.lab.kubectl
        kubectl.parent.mkdir(parents=True, exist_ok=True)
        kubectl.unlink(missing_ok=True)
        kubectl.symlink_to(found.folder / "bin/kubectl")
        return f"{len(built)} built" if built else f"{len(found.artifacts)} from the cache"


@dataclass(frozen=True)
class Row:
    """An entry of the cache; ``size`` is in bytes."""

    name: str
    key: str
    size: int
    state: str


def listing(store: Store, *, thorough: bool) -> list[Row]:
    """Every entry of the cache; ``thorough`` hashes every file, whatever its size and time say."""
    rows = []
    for entry in store.entries():
        name, _, key = entry.name.partition("@")
        faults = store.faults(entry, hash_all=thorough)
        state = f"corrupt: {faults[0]}" if faults else "whole"
        rows.append(Row(name, key, store.size(entry), state))
    return rows


def entries_in_use(specs: Iterable[LabSpec]) -> set[Path]:
    """The entries that labs of these specs need."""
    used: set[Path] = set()
    for spec in specs:
        catalog = load_catalog(spec.artifacts.overrides)
        bundles = catalog.bundles(spec.kubernetes.version, spec.cni.name)
        used |= {entry for _, entry in entries_for(catalog, bundles, cache())}
    return used


def prune_store(store: Store, used: set[Path]) -> list[Path]:
    """Remove the entries that are not ``used``; returns what was removed."""
    removed = [entry for entry in store.entries() if entry not in used]
    for entry in removed:
        shutil.rmtree(entry)
    return removed
