"""Artifact sets: one folder with all artifacts of a lab, in the layout that roles expect.

``bin/`` (kubeadm, kubelet, kubectl), ``cni/`` (plugins), ``images/node/`` and
``images/control-plane/`` (archives), ``manifest.json`` and ``SHA256SUMS``. The files are hard links
to entries of the store, so a set takes no disk space. A user can also assemble such a folder.
"""

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provisioner.artifacts import manifest
from provisioner.artifacts.box import BOX, Baked
from provisioner.artifacts.build import Builder, Made, Step
from provisioner.artifacts.docker_store import STORE
from provisioner.artifacts.download import refuse_unknown
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.sources.local_file import FileSource
from provisioner.artifacts.steps import (
    DOCKER_STORE,
    ROOT,
    box_step,
    host_uses,
    locate,
    root_step,
    steps_for,
    store_step,
)
from provisioner.artifacts.store import Store, content_key
from provisioner.catalog.model import Component, FetchedBox, build_of
from provisioner.model import Artifact, Kind, Listener
from provisioner.spec import DOCKER_DISK_GIB, LabSpec

SUMS = "SHA256SUMS"
# A baked box contains these kinds. The other kinds can change while the machines stay.
IN_THE_BOX: Collection[Kind] = ("kubernetes", "runtime", "cni")


@dataclass(frozen=True)
class ArtifactSet:
    """A finished set, and the root or box that machines start from (None if not ordered).

    ``docker_store`` belongs to a root: it is docker's data folder with the images of the set.
    ``entries`` are the store entries that the set is linked from.
    """

    folder: Path
    machine_root: Path | None
    artifacts: tuple[Artifact, ...]
    box: Path | None = None
    docker_store: Path | None = None
    entries: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Order:
    """The components and the machine image that a lab needs. ``box`` is empty without Vagrant.

    ``docker_disk_gib`` applies to a baked box only: for other boxes vagrant creates that disk.
    """

    components: tuple[Component, ...]
    machine_root: bool = False
    box: str = ""
    baked: bool = False
    docker_disk_gib: int = DOCKER_DISK_GIB

    @property
    def in_the_box(self) -> "Order":
        """The order reduced to the components that a baked box contains."""
        kept = tuple(c for c in self.components if c.kind in IN_THE_BOX)
        return replace(self, components=kept)


def host_packages_for(order: Order, workshop: Workshop) -> list[str]:
    """The groups of host packages that an order needs."""
    boxed = order.box and not isinstance(workshop.catalog.boxes[order.box], FetchedBox)
    return host_uses(workshop, order.components, makes=bool(order.machine_root or boxed))


def order_of(spec: LabSpec, workshop: Workshop) -> Order:
    """The order of a lab spec.

    Raises:
        KeyError: the catalogue lacks a component that the spec names.
    """
    components = tuple(workshop.catalog.resolve(spec.choices))
    if spec.provider.box is None:
        return Order(components, machine_root=True)
    box, disk = spec.provider.box, spec.provider.docker_disk_gib
    return Order(components, box=box.name, baked=box.baked, docker_disk_gib=disk)


Member = tuple[str, Path, str]
"""Path in the set, file in the store, and image reference (empty for other files)."""


def _members(workshop: Workshop, order: Order, made: Made) -> Iterator[Member]:
    for component in order.components:
        for path, file in component.files.items():
            yield path, locate(made, file), ""
        for name, image in component.images.items():
            archive = made[f"image-{name}"] / f"{name}.tar"
            reference = workshop.catalog.reference(name, image)
            yield manifest.archive_of(image.role, name), archive, reference


def _artifact(path: str, file: Path, image: str, store: Store) -> Artifact:
    entry = next(parent for parent in file.parents if parent.parent == store.folder)
    kinds = {"bin": "binary", "cni": "cni", "images": "image"}
    kind: Any = kinds[path.split("/")[0]]
    build = entry.name.partition("@")[0]
    return Artifact(
        name=Path(path).stem if image else Path(path).name,
        kind=kind,
        version=image.rpartition(":")[2] or build.rpartition("-")[2],
        source=build,
        path=Path(path),
        size=file.stat().st_size,
        sha256=store.sums(entry)[str(file.relative_to(entry))],
        image=image,
    )


def _is_whole(folder: Path, members: Collection[Member]) -> bool:
    if not all((folder / name).is_file() for name in (SUMS, manifest.FILE)):
        return False
    return all((folder / p).is_file() and (folder / p).samefile(f) for p, f, _ in members)


def _steps(workshop: Workshop, order: Order) -> dict[str, Step]:
    """The steps that are built in parallel; a baked box is built after them."""
    root = {ROOT: root_step(workshop)} if order.machine_root else {}
    return root | steps_for(workshop, order.components)


def _folder(workshop: Workshop, order: Order, made: Made) -> Path:
    """The folder of an order's set, whether or not it exists yet."""
    files = [(path, str(file)) for path, file, _ in _members(workshop, order, made)]
    components = manifest.described(workshop.catalog, order.components)
    return workshop.cache / "sets" / content_key(files, manifest.SCHEMA, components)


def _box_step(workshop: Workshop, order: Order, folder: Path) -> Step:
    """The step of the box; ``folder`` is the set that a baked box contains."""
    if not order.baked:
        return box_step(workshop, order.box, None)
    baked = Baked(folder, _baked_archives(order), order.docker_disk_gib)
    return box_step(workshop, order.box, baked)


def _baked_archives(order: Order) -> list[Path]:
    """The image archives, as paths in the set, that are preloaded into machines."""
    return [
        Path(manifest.archive_of(image.role, name))
        for component in order.in_the_box.components
        for name, image in component.images.items()
    ]


def _baking_steps(workshop: Workshop, order: Order, folder: Path) -> list[Step]:
    """The steps that need the set in ``folder``: the box, or docker's preloaded data folder."""
    steps = [_box_step(workshop, order, folder)] if order.box else []
    if order.machine_root:
        steps.append(store_step(root_step(workshop), folder, _baked_archives(order)))
    return steps


def entries_of(workshop: Workshop, order: Order) -> list[tuple[Step, Path]]:
    """Every step of an order with the path of its store entry, which may not exist yet."""
    store, steps = Store(workshop.cache / "built"), _steps(workshop, order)
    made = {name: store.path(name, step.key) for name, step in steps.items()}
    found = [(step, made[name]) for name, step in steps.items()]
    late = _baking_steps(workshop, order, _folder(workshop, order.in_the_box, made))
    return found + [(step, store.path(step.name, step.key)) for step in late]


def check_inputs(workshop: Workshop, order: Order, *, cached_too: bool) -> None:
    """Check the files and checksums that a spec has to give, before anything is built.

    ``cached_too`` also checks the inputs of builds that the cache already has.

    Raises:
        SpecError: a file or a checksum is missing or wrong; names the first.
    """
    catalog = workshop.catalog
    missing = {step.name for step, entry in entries_of(workshop, order) if not entry.is_dir()}
    for name in catalog.builds_of(order.components):
        if name in missing or cached_too:
            source_of(name, workshop).check(_images_from(workshop, order, name))
    box = catalog.boxes.get(order.box)
    if isinstance(box, FetchedBox):
        refuse_unknown(f"artifacts_boxes.{order.box}.file", box.file)


def check_files(workshop: Workshop, order: Order) -> None:
    """Check the files of this host that a spec gives.

    Raises:
        SpecError: a file is missing or wrong; names the first.
    """
    for name in workshop.catalog.builds_of(order.components):
        source = source_of(name, workshop)
        if source.word == FileSource.word:
            source.check(_images_from(workshop, order, name))


def _images_from(workshop: Workshop, order: Order, build: str) -> list[str]:
    """The references of the images that are complete archives from ``build``."""
    return [
        workshop.catalog.reference(name, image)
        for component in order.components
        for name, image in component.images.items()
        if image.archive and build_of(image.archive) == build
    ]


def _assemble(workshop: Workshop, order: Order, made: Made) -> tuple[Path, tuple[Artifact, ...]]:
    """Assemble the set of an order; returns its folder and its artifacts."""
    store = Store(workshop.cache / "built")
    members = list(_members(workshop, order, made))
    folder = _folder(workshop, order, made)
    artifacts = tuple(_artifact(path, file, image, store) for path, file, image in members)
    if _is_whole(folder, members):
        return folder, artifacts
    draft = folder.with_name(f".draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    for path, file, _ in members:
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(file, draft / path)
    lines = [f"{artifact.sha256}  {artifact.path}\n" for artifact in artifacts]
    (draft / SUMS).write_text("".join(sorted(lines)), encoding="utf-8")
    text = manifest.manifest_text(workshop.catalog, order.components, artifacts)
    (draft / manifest.FILE).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder, artifacts


def build_set(workshop: Workshop, order: Order, listen: Listener, *, jobs: int) -> ArtifactSet:
    """Build the missing entries of an order and assemble its set; ``jobs`` run in parallel.

    Raises:
        LabError: as ``Builder.build``.
    """
    builder = Builder(Store(workshop.cache / "built"), listen, jobs)
    made = builder.build(_steps(workshop, order))
    folder, artifacts = _assemble(workshop, order, made)
    # Baking reads this set, so it has to exist before the baking steps run.
    carried, _ = _assemble(workshop, order.in_the_box, made)
    late = {step.name: step for step in _baking_steps(workshop, order, carried)}
    baked = builder.build(late)
    return ArtifactSet(
        folder,
        made[ROOT] / "tree" if order.machine_root else None,
        artifacts,
        box=next((baked[name] / BOX for name in late if name.startswith("box-")), None),
        docker_store=baked[DOCKER_STORE] / STORE if DOCKER_STORE in late else None,
        entries=(*made.values(), *baked.values()),
    )
