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
from provisioner.artifacts.catalog import Bundle, Catalog
from provisioner.artifacts.plan import ROOT, box_step, locate, root_step, steps_for
from provisioner.artifacts.store import Store, content_key
from provisioner.model import Artifact, Listener


@dataclass(frozen=True)
class ArtifactSet:
    """A finished set, and what machines start from: a root, or a box (None where not asked for)."""

    folder: Path
    machine_root: Path | None
    artifacts: tuple[Artifact, ...]
    box: Path | None = None


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
                reference = f"{catalog.image_repository}/{name}:{image.tag}"
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


def build_set(
    catalog: Catalog,
    kubernetes: str,
    cni: str,
    cache: Path,
    listen: Listener,
    *,
    machine_root: bool,
    box: tuple[str, bool] | None,
    jobs: int,
) -> ArtifactSet:
    """Build what is missing for a lab and put its set together.

    ``box`` is the name of a Vagrant box of the catalogue, and whether it is to be a baked one.

    Raises:
        LabError: as ``Builder.build``.
    """
    store, bundles = Store(cache / "built"), catalog.bundles(kubernetes, cni)
    steps: dict[str, Step] = {}
    if machine_root:
        steps[ROOT] = root_step(catalog, cache)
    steps |= steps_for(catalog, bundles, cache)
    builder = Builder(store, listen, jobs)
    made = builder.build(steps)
    members = list(_members(catalog, bundles, made))
    key = content_key([(path, str(file)) for path, file, _ in members])
    folder = cache / "sets" / key
    artifacts = [_artifact(path, file, image, store) for path, file, image in members]
    if not _is_whole(folder, members):
        _assemble(folder, members, artifacts)
    tree = made[ROOT] / "tree" if machine_root else None
    found = ArtifactSet(folder, tree, tuple(artifacts))
    if box is None:
        return found
    # What a baked box carries has to be there before it.
    step = box_step(catalog, box[0], _baked(found) if box[1] else None, cache)
    return replace(found, box=builder.build({step.name: step})[step.name] / BOX)


def _baked(found: ArtifactSet) -> Baked:
    archives = [artifact.path for artifact in found.artifacts if artifact.kind == "image"]
    return Baked(found.folder, archives)
