"""Listing and pruning the cache."""

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.artifacts.artifact_set import Order, entries_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.store import Store, walk

# Folders that only builds read. The next build creates them again.
ONLY_FOR_BUILDS = ("apt", "debs", "downloads", "go", "oci", "sources", "work")


@dataclass(frozen=True)
class Stored:
    """A folder of the cache. ``size`` is in bytes; ``fault`` names a corrupt file, if any."""

    name: str
    path: Path
    size: int
    wanted: bool
    fault: str = ""


def _size(folder: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in walk(folder))


def wanted_entries(orders: Iterable[tuple[Workshop, Order]]) -> set[Path]:
    """The store entries that ``orders`` use."""
    return {entry for shop, order in orders for _, entry in entries_of(shop, order)}


def every_order(workshop: Workshop) -> Iterator[tuple[Workshop, Order]]:
    """One order for each component, for the machine root, and for each box that is not baked."""
    catalog = workshop.catalog
    for component in catalog.components.values():
        if catalog.is_whole(component):
            yield workshop, Order((component,))
    yield workshop, Order((), machine_root=True)
    for name in catalog.boxes:
        yield workshop, Order((), box=name)


def list_entries(cache: Path, wanted: Collection[Path], *, verify: bool = False) -> list[Stored]:
    """Every entry of the store; ``verify`` hashes all files again."""
    store = Store(cache / "built")
    found = []
    for entry in store.entries():
        faults = store.faults(entry, hash_all=verify)
        fault = faults[0] if faults else ""
        found.append(Stored(entry.name, entry, _size(entry), entry in wanted, fault))
    return found


def _unwanted(cache: Path, wanted: Collection[Path], kept: Collection[Path]) -> Iterator[Path]:
    store = Store(cache / "built")
    for entry in store.entries():
        used = entry in wanted or any(path.is_relative_to(entry) for path in kept)
        if not used:
            yield entry
    # The caller holds the lock, so no other process uses a draft.
    yield from store.folder.glob(".draft-*")


def _unpacked_boxes(cache: Path) -> Iterator[Path]:
    """Vagrant's unpacked copies of boxes that are no longer in the store."""
    there = {
        f"kubelab-VAGRANTSLASH-{e.name.replace('@', '-')}" for e in Store(cache / "built").entries()
    }
    boxes = cache / "vagrant/boxes"
    if boxes.is_dir():
        yield from (path for path in boxes.iterdir() if path.name not in there)


def _is_orphan(folder: Path) -> bool:
    """Whether a file of a set is no longer in the store, that is, has no second hard link."""
    if folder.name.startswith("."):
        return True
    members = (entry for entry in walk(folder) if Path(entry.path).parent != folder)
    return any(entry.stat().st_nlink == 1 for entry in members)


def prune(
    cache: Path, wanted: Collection[Path], kept: Collection[Path], *, everything: bool = False
) -> list[Stored]:
    """Remove entries and sets that are neither wanted nor kept; returns what was removed.

    ``wanted`` are entries that the catalogue needs. ``kept`` are the entries, sets and machine
    roots of labs. ``everything`` also removes sources, packages and compiler caches, which only
    builds read.

    Raises:
        BusyError: another process is building.
    """
    store, removed = Store(cache / "built"), []

    def remove(path: Path) -> None:
        removed.append(Stored(path.name, path, _size(path), wanted=False))
        shutil.rmtree(path)

    with store.locked(patience=0):
        for path in list(_unwanted(cache, wanted, kept)):
            remove(path)
        for folder in sorted((cache / "sets").glob("*")):
            if folder not in kept and _is_orphan(folder):
                remove(folder)
        for path in _unpacked_boxes(cache):
            remove(path)
        for name in ONLY_FOR_BUILDS if everything else ("work",):
            if (cache / name).is_dir():
                remove(cache / name)
    return removed
