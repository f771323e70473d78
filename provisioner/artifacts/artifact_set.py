"""Sets: what one lab needs, in one folder, as roles expect it.

``bin/`` (kubeadm, kubelet, kubectl), ``cni/`` (plugins), ``images/node/`` and
``images/control-plane/`` (archives), ``manifest.json`` and ``SHA256SUMS``. The files are hard links
to entries of the store, so a set costs no space; a user may as well put such a folder together.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provisioner.artifacts.box import BOX, Baked
from provisioner.artifacts.build import Builder, Made, Step
from provisioner.artifacts.docker_store import STORE
from provisioner.artifacts.steps import ROOT, box_step, locate, root_step, steps_for, store_step
from provisioner.artifacts.store import Store, content_key
from provisioner.catalog.load import Bundle, Catalog
from provisioner.model import Artifact, Listener
from provisioner.spec import DOCKER_DISK_GIB, NO_DASHBOARD


@dataclass(frozen=True)
class ArtifactSet:
    """A finished set, and what machines start from: a root, or a box (None where not asked for).

    ``docker_store`` goes with a root: docker's folder with the images of the set.
    """

    folder: Path
    machine_root: Path | None
    artifacts: tuple[Artifact, ...]
    box: Path | None = None
    docker_store: Path | None = None


def _members(
    catalog: Catalog, bundles: list[Bundle], made: Made
) -> Iterator[tuple[str, Path, str]]:
    """Path in the set, the file in the store, and the image's name if it is one."""
    for bundle in bundles:
        for folder, files in (("bin", bundle.binaries), ("cni", bundle.cni)):
            for name, file in files.items():
                yield f"{folder}/{name}", locate(made, file), ""
        for folder, group in (("node", bundle.images), ("control-plane", bundle.control_plane)):
            for name, image in group.items():
                reference = catalog.reference(name, image)
                archive = made[f"image-{name}"] / f"{name}.tar"
                yield f"images/{folder}/{name}.tar", archive, reference


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


def _assemble(
    folder: Path, members: list[tuple[str, Path, str]], artifacts: list[Artifact]
) -> None:
    draft = folder.with_name(f".draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    for path, file, _ in members:
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(file, draft / path)
    lines = [f"{artifact.sha256}  {artifact.path}\n" for artifact in artifacts]
    (draft / "SHA256SUMS").write_text("".join(sorted(lines)), encoding="utf-8")
    (draft / "manifest.json").write_text(manifest(artifacts), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def manifest(artifacts: list[Artifact]) -> str:
    """The text of a set's ``manifest.json``."""
    rows = [{**vars(artifact), "path": str(artifact.path)} for artifact in artifacts]
    return json.dumps({"artifacts": rows}, indent=1)


def _is_whole(folder: Path, members: list[tuple[str, Path, str]]) -> bool:
    names = ("SHA256SUMS", "manifest.json")
    if not all((folder / name).is_file() for name in names):
        return False
    return all((folder / p).is_file() and (folder / p).samefile(f) for p, f, _ in members)


@dataclass(frozen=True)
class Order:
    """What a lab needs of the catalogue. ``box`` is empty where no Vagrant box is wanted.

    ``docker_disk_gib`` is of a baked box alone: others get that disk from vagrant.
    """

    kubernetes: str
    cni: str
    machine_root: bool = False
    box: str = ""
    baked: bool = False
    docker_disk_gib: int = DOCKER_DISK_GIB
    dashboard: str = NO_DASHBOARD

    def bundles(self, catalog: Catalog) -> list[Bundle]:
        """What it is made of."""
        return catalog.bundles(self.kubernetes, self.cni, self.dashboard)

    @property
    def in_the_box(self) -> "Order":
        """What a baked box carries: a lab may change its dashboard and keep its machines."""
        return replace(self, dashboard=NO_DASHBOARD)


def _steps(catalog: Catalog, order: Order, cache: Path) -> dict[str, Step]:
    """What is built at the same time; a baked box comes after it."""
    root = {ROOT: root_step(catalog, cache)} if order.machine_root else {}
    return root | steps_for(catalog, order.bundles(catalog), cache)


def _folder(catalog: Catalog, order: Order, cache: Path, made: Made) -> Path:
    """Where the set of an order is, or will be."""
    bundles = order.bundles(catalog)
    key = content_key([(path, str(file)) for path, file, _ in _members(catalog, bundles, made)])
    return cache / "sets" / key


def _box_step(catalog: Catalog, order: Order, folder: Path, cache: Path) -> Step:
    """The step of the box; ``folder`` is the set that a baked one carries."""
    if not order.baked:
        return box_step(catalog, order.box, None, cache)
    archives = _baked_archives(catalog, order)
    return box_step(catalog, order.box, Baked(folder, archives, order.docker_disk_gib), cache)


def _baked_archives(catalog: Catalog, order: Order) -> list[Path]:
    """The image archives of the set that machines are made with."""
    bundles = order.in_the_box.bundles(catalog)
    images = [("node", bundle.images) for bundle in bundles]
    images += [("control-plane", bundle.control_plane) for bundle in bundles]
    return [Path("images", group, f"{name}.tar") for group, names in images for name in names]


def _store_step(catalog: Catalog, order: Order, folder: Path, cache: Path) -> Step:
    """The step of docker's store; ``folder`` is the set whose images are in it."""
    return store_step(root_step(catalog, cache), folder, _baked_archives(catalog, order))


def entries_of(catalog: Catalog, order: Order, cache: Path) -> list[tuple[Step, Path]]:
    """Every step of an order, with the entry that it has or will have."""
    store, steps = Store(cache / "built"), _steps(catalog, order, cache)
    made = {name: store.path(name, step.key) for name, step in steps.items()}
    found = [(step, made[name]) for name, step in steps.items()]
    late = []
    carried = _folder(catalog, order.in_the_box, cache, made)
    if order.box:
        late.append(_box_step(catalog, order, carried, cache))
    if order.machine_root:
        late.append(_store_step(catalog, order, carried, cache))
    return found + [(step, store.path(step.name, step.key)) for step in late]


def _put_together(
    catalog: Catalog, order: Order, cache: Path, made: Made
) -> tuple[Path, tuple[Artifact, ...]]:
    """The folder of the set of an order, whole, and what is in it."""
    store = Store(cache / "built")
    members = list(_members(catalog, order.bundles(catalog), made))
    folder = _folder(catalog, order, cache, made)
    artifacts = [_artifact(path, file, image, store) for path, file, image in members]
    if not _is_whole(folder, members):
        _assemble(folder, members, artifacts)
    return folder, tuple(artifacts)


def build_set(
    catalog: Catalog, order: Order, cache: Path, listen: Listener, *, jobs: int
) -> ArtifactSet:
    """Build what is missing for a lab and put its set together.

    Raises:
        LabError: as ``Builder.build``.
    """
    builder = Builder(Store(cache / "built"), listen, jobs)
    made = builder.build(_steps(catalog, order, cache))
    folder, artifacts = _put_together(catalog, order, cache, made)
    tree = made[ROOT] / "tree" if order.machine_root else None
    box = docker = None
    # What machines are made with has to be there before it is baked.
    carried, _ = _put_together(catalog, order.in_the_box, cache, made)
    if order.box:
        step = _box_step(catalog, order, carried, cache)
        box = builder.build({step.name: step})[step.name] / BOX
    if order.machine_root:
        step = _store_step(catalog, order, carried, cache)
        docker = builder.build({step.name: step})[step.name] / STORE
    return ArtifactSet(folder, tree, artifacts, box, docker)
