"""What lies in the cache, and what of it nobody needs any more."""

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.artifacts.artifact_set import Order, entries_of
from provisioner.artifacts.store import Store, walk
from provisioner.catalog.load import Box, Catalog

# All that only a build reads: the next one fetches or makes it again.
WORKSHOP = ("apt", "debs", "downloads", "go", "sources", "work")


@dataclass(frozen=True)
class Stored:
    """Something in the cache. ``size`` is in bytes; ``fault`` names a corrupt file, if any."""

    name: str
    path: Path
    size: int
    wanted: bool
    fault: str = ""


def _size(folder: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in walk(folder))


def _current(catalog: Catalog, cache: Path) -> set[Path]:
    """The entries that labs of this catalogue would use."""
    boxes = [
        ("", False),
        *((name, False) for name in catalog.boxes),
        *((name, True) for name, box in catalog.boxes.items() if isinstance(box, Box)),
    ]
    sources = (catalog, catalog.from_upstream())
    orders = [
        (source, Order(kubernetes, cni, True, box, baked))
        for source in sources
        for kubernetes in source.offered
        for cni in source.cni
        for box, baked in boxes
    ]
    # No box has anything of a dashboard, and none differs by Kubernetes or pod network.
    orders += [
        (source, replace(order, dashboard=dashboard))
        for source, order in (
            (source, next(o for s, o in orders if s is source)) for source in sources
        )
        for dashboard in source.dashboards
    ]
    return {entry for source, order in orders for _, entry in entries_of(source, order, cache)}


def list_stock(catalog: Catalog, cache: Path, *, verify: bool = False) -> list[Stored]:
    """Every entry of the store; ``verify`` hashes all its files anew."""
    store, wanted = Store(cache / "built"), _current(catalog, cache)
    stock = []
    for entry in store.entries():
        faults = store.faults(entry, hash_all=verify)
        fault = faults[0] if faults else ""
        stock.append(Stored(entry.name, entry, _size(entry), entry in wanted, fault))
    return stock


def _unwanted(cache: Path, wanted: Collection[Path], kept: Collection[Path]) -> Iterator[Path]:
    store = Store(cache / "built")
    for entry in store.entries():
        used = entry in wanted or any(path.is_relative_to(entry) for path in kept)
        if not used:
            yield entry
    # Under the lock nobody else can be at work on a draft.
    yield from store.folder.glob(".draft-*")


def _unpacked_boxes(cache: Path) -> Iterator[Path]:
    """What vagrant unpacked of boxes that are no longer in the store; it unpacks others again."""
    there = {
        f"kubelab-VAGRANTSLASH-{e.name.replace('@', '-')}" for e in Store(cache / "built").entries()
    }
    boxes = cache / "vagrant/boxes"
    if boxes.is_dir():
        yield from (path for path in boxes.iterdir() if path.name not in there)


def _is_orphan(folder: Path) -> bool:
    """Whether a file of a set is no longer in the store (a set consists of hard links into it)."""
    if folder.name.startswith("."):
        return True
    members = (entry for entry in walk(folder) if Path(entry.path).parent != folder)
    return any(entry.stat().st_nlink == 1 for entry in members)


def prune(
    catalog: Catalog, cache: Path, kept: Collection[Path], *, workshop: bool = False
) -> list[Stored]:
    """Remove what neither the catalogue nor the paths in ``kept`` need; returns what went.

    ``kept`` are the sets and machine roots of existing labs. ``workshop`` also removes sources,
    packages and compiler caches, which only the next build would read.

    Raises:
        BusyError: somebody is building.
    """
    store, removed = Store(cache / "built"), []

    def remove(path: Path) -> None:
        removed.append(Stored(path.name, path, _size(path), wanted=False))
        shutil.rmtree(path)

    with store.locked(patience=0):
        for path in list(_unwanted(cache, _current(catalog, cache), kept)):
            remove(path)
        for folder in sorted((cache / "sets").glob("*")):
            if folder not in kept and _is_orphan(folder):
                remove(folder)
        for path in _unpacked_boxes(cache):
            remove(path)
        for name in WORKSHOP if workshop else ("work",):
            if (cache / name).is_dir():
                remove(cache / name)
    return removed
