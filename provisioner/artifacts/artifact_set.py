"""Artifact sets: what one lab needs, in one folder, as roles expect it.

``bin/`` (kubeadm, kubelet, kubectl), ``cni/`` (plugins), ``images/node/`` and
``images/control-plane/`` (archives), ``manifest.json`` and ``SHA256SUMS``. The files are hard links
to entries of the store, so a set costs no space; a user may as well put such a folder together.
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
from provisioner.artifacts.steps import (
    DOCKER_STORE,
    ROOT,
    box_step,
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
# What a baked box carries. All else can change while the machines stay.
IN_THE_BOX: Collection[Kind] = ("kubernetes", "runtime", "cni")


@dataclass(frozen=True)
class ArtifactSet:
    """A finished set, and what machines start from: a root, or a box (None where not asked for).

    ``docker_store`` goes with a root: docker's folder with the images of the set. ``entries`` are
    the folders of the store that it is made of.
    """

    folder: Path
    machine_root: Path | None
    artifacts: tuple[Artifact, ...]
    box: Path | None = None
    docker_store: Path | None = None
    entries: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Order:
    """What a lab needs of the catalogue. ``box`` is empty where no Vagrant box is wanted.

    ``docker_disk_gib`` is of a baked box alone: others get that disk from vagrant.
    """

    components: tuple[Component, ...]
    machine_root: bool = False
    box: str = ""
    baked: bool = False
    docker_disk_gib: int = DOCKER_DISK_GIB

    @property
    def in_the_box(self) -> "Order":
        """What a baked box carries."""
        kept = tuple(c for c in self.components if c.kind in IN_THE_BOX)
        return replace(self, components=kept)


def order_of(spec: LabSpec, workshop: Workshop) -> Order:
    """What a lab needs of the catalogue.

    Raises:
        KeyError: the catalogue lacks a component that the spec asks for.
    """
    components = tuple(workshop.catalog.resolve(spec.choices))
    if spec.provider.box is None:
        return Order(components, machine_root=True)
    box, disk = spec.provider.box, spec.provider.docker_disk_gib
    return Order(components, box=box.name, baked=box.baked, docker_disk_gib=disk)


Member = tuple[str, Path, str]
"""Path in the set, the file in the store, and the image's name if it is one."""


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
    """What is built at the same time; a baked box comes after it."""
    root = {ROOT: root_step(workshop)} if order.machine_root else {}
    return root | steps_for(workshop, order.components)


def _folder(workshop: Workshop, order: Order, made: Made) -> Path:
    """Where the set of an order is, or will be."""
    files = [(path, str(file)) for path, file, _ in _members(workshop, order, made)]
    components = manifest.described(workshop.catalog, order.components)
    return workshop.cache / "sets" / content_key(files, manifest.SCHEMA, components)


def _box_step(workshop: Workshop, order: Order, folder: Path) -> Step:
    """The step of the box; ``folder`` is the set that a baked one carries."""
    if not order.baked:
        return box_step(workshop, order.box, None)
    baked = Baked(folder, _baked_archives(order), order.docker_disk_gib)
    return box_step(workshop, order.box, baked)


def _baked_archives(order: Order) -> list[Path]:
    """The image archives of the set that machines are made with."""
    return [
        Path(manifest.archive_of(image.role, name))
        for component in order.in_the_box.components
        for name, image in component.images.items()
    ]


def _baking_steps(workshop: Workshop, order: Order, folder: Path) -> list[Step]:
    """What machines start from, made with the set in ``folder``: a box, or a store of docker's."""
    steps = [_box_step(workshop, order, folder)] if order.box else []
    if order.machine_root:
        steps.append(store_step(root_step(workshop), folder, _baked_archives(order)))
    return steps


def entries_of(workshop: Workshop, order: Order) -> list[tuple[Step, Path]]:
    """Every step of an order, with the entry that it has or will have."""
    store, steps = Store(workshop.cache / "built"), _steps(workshop, order)
    made = {name: store.path(name, step.key) for name, step in steps.items()}
    found = [(step, made[name]) for name, step in steps.items()]
    late = _baking_steps(workshop, order, _folder(workshop, order.in_the_box, made))
    return found + [(step, store.path(step.name, step.key)) for step in late]


def check_inputs(workshop: Workshop, order: Order, *, cached_too: bool) -> None:
    """Look at all that a spec has to give, before anything is built.

    With ``cached_too`` also at what was built from it already and is kept in the cache.

    Raises:
        SpecError: of the first file or sum that is not right.
    """
    catalog = workshop.catalog
    missing = {step.name for step, entry in entries_of(workshop, order) if not entry.is_dir()}
    for name in catalog.builds_of(order.components):
        if name in missing or cached_too:
            source_of(name, workshop).check(_images_from(workshop, order, name))
    box = catalog.boxes.get(order.box)
    if isinstance(box, FetchedBox):
        refuse_unknown(f"artifacts_boxes.{order.box}.file", box.file)


def _images_from(workshop: Workshop, order: Order, build: str) -> list[str]:
    """The names of images that are taken whole from files of a build."""
    return [
        workshop.catalog.reference(name, image)
        for component in order.components
        for name, image in component.images.items()
        if image.archive and build_of(image.archive) == build
    ]


def _put_together(
    workshop: Workshop, order: Order, made: Made
) -> tuple[Path, tuple[Artifact, ...]]:
    """The folder of the set of an order, whole, and what is in it."""
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
    """Build what is missing for a lab and put its set together.

    Raises:
        LabError: as ``Builder.build``.
    """
    builder = Builder(Store(workshop.cache / "built"), listen, jobs)
    made = builder.build(_steps(workshop, order))
    folder, artifacts = _put_together(workshop, order, made)
    # What machines are made with has to be there before it is baked.
    carried, _ = _put_together(workshop, order.in_the_box, made)
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
