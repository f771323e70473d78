"""Steps from the catalogue: what is built for a lab, and from which other steps."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from provisioner.artifacts import box, docker_store, images
from provisioner.artifacts.build import Made, Step
from provisioner.artifacts.download import take
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.sources.debian import make_root
from provisioner.artifacts.sources.upstream import FOLDER
from provisioner.artifacts.store import content_key, sha256
from provisioner.catalog.model import Component, FetchedBox, Image, build_of
from provisioner.model import Tell

ROOT, DOCKER_STORE = "machine-root", "docker-store"
# Disk space in MiB that each takes (measured).
ROOT_MIB, BOX_MIB, DOCKER_STORE_MIB = 700, 8000, 1200


def _build_step(name: str, workshop: Workshop) -> Step:
    source = source_of(name, workshop)

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        source.make(into, tell)

    return Step(name, source.key, make, room=source.room)


def _layer_step(name: str, workshop: Workshop, builds: Mapping[str, Step]) -> Step:
    layer = workshop.catalog.layers[name]

    def make(into: Path, made: Made, tell: Tell) -> None:
        tell("writing", None)
        images.shared_layer(layer, made[layer.build], into / "layer.tar")

    key = content_key(layer.model_dump(), builds[layer.build].key)
    return Step(f"layer-{name}", key, make, (layer.build,))


def _image_step(name: str, image: Image, workshop: Workshop, steps: Mapping[str, Step]) -> Step:
    reference = workshop.catalog.reference(name, image)
    if image.archive:
        return _archive_step(name, image, workshop, steps)
    builds = sorted({build_of(file) for file in image.files.values()})
    needs = (*builds, *(f"layer-{layer}" for layer in image.layers))

    def make(into: Path, made: Made, tell: Tell) -> None:
        tell("writing", None)
        shared = []
        for layer in image.layers:
            path = made[f"layer-{layer}"] / "layer.tar"
            shared.append(images.LayerFile(path, sha256(path)))
        files = {there: locate(made, file) for there, file in image.files.items()}
        images.write_image(reference, image, shared, files, into / f"{name}.tar")

    made_of = image.model_dump(exclude={"repository", "archive", "role"})
    key = content_key(made_of, reference, [steps[need].key for need in needs])
    return Step(f"image-{name}", key, make, needs)


def _archive_step(name: str, image: Image, workshop: Workshop, steps: Mapping[str, Step]) -> Step:
    reference, need = workshop.catalog.reference(name, image), build_of(image.archive)
    source = source_of(need, workshop)

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        archive = locate(made, image.archive)
        source.check_member(archive, reference)
        os.link(archive, into / f"{name}.tar")

    return Step(f"image-{name}", content_key(reference, steps[need].key), make, (need,))


def locate(made: Made, file: str) -> Path:
    """The path of a file that the catalogue names as ``BUILD/PATH``."""
    build, _, path = file.partition("/")
    return made[build] / path


def root_step(workshop: Workshop) -> Step:
    """The step that makes the machine root."""
    root = workshop.catalog.machine_root

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        make_root(workshop.cache, root, into / "tree", tell)

    return Step(ROOT, content_key(root.model_dump()), make, room=ROOT_MIB)


def box_step(workshop: Workshop, name: str, baked: box.Baked | None) -> Step:
    """The step that makes a Vagrant box; a baked box contains an artifact set."""
    wanted = workshop.catalog.boxes[name]

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        if isinstance(wanted, FetchedBox):
            files = {box.BOX: wanted.file}
            take(files, workshop.route, workshop.cache / FOLDER, into, tell)
        else:
            box.make_box(workshop.cache, wanted, baked, into, tell)

    what = (baked.folder.name, baked.docker_disk_gib) if baked else ""
    makers = "" if isinstance(wanted, FetchedBox) else [sha256(path) for path in box.MAKERS]
    key = content_key(wanted.model_dump(), what, makers)
    return Step(f"box-{name}{'-baked' if baked else ''}", key, make, room=BOX_MIB)


def store_step(root: Step, folder: Path, archives: Sequence[Path]) -> Step:
    """The step that loads the images of the set in ``folder`` into docker, for machine containers.

    The docker of the machine root loads them, so another root needs another store.
    """

    def make(into: Path, made: Made, tell: Tell) -> None:
        docker_store.make_store(made[root.name] / "tree", folder, archives, into, tell)

    makers = [sha256(path) for path in docker_store.MAKERS]
    key = content_key(root.key, folder.name, makers)
    return Step(DOCKER_STORE, key, make, (root.name,), room=DOCKER_STORE_MIB)


def steps_for(workshop: Workshop, components: Iterable[Component]) -> dict[str, Step]:
    """Every step that components need, by name."""
    catalog, chosen = workshop.catalog, list(components)
    steps = {name: _build_step(name, workshop) for name in catalog.builds_of(chosen)}
    for name, layer in catalog.layers.items():
        if layer.build in steps:
            step = _layer_step(name, workshop, steps)
            steps[step.name] = step
    for component in chosen:
        for name, image in component.images.items():
            step = _image_step(name, image, workshop, steps)
            steps[step.name] = step
    return steps


def host_uses(workshop: Workshop, components: Iterable[Component], *, makes: bool) -> list[str]:
    """The groups of host packages that components need; ``makes``: also a root or a box."""
    builds = workshop.catalog.builds_of(components)
    found = {source_of(name, workshop).uses for name in builds} | ({"build"} if makes else set())
    return sorted(found - {""})
