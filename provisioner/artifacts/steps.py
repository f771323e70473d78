"""From the catalogue to steps: what has to be built for a lab, and from what."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from provisioner.artifacts import box, docker_store, images
from provisioner.artifacts.build import Made, Step
from provisioner.artifacts.sources import debian, golang, local_file, pypi, upstream
from provisioner.artifacts.sources.debian import Tell
from provisioner.artifacts.sources.debian_source import compile_kubernetes
from provisioner.artifacts.sources.golang import Go
from provisioner.artifacts.store import content_key, sha256
from provisioner.catalog.builds import (
    Build,
    FetchedBox,
    FileBuild,
    GoBuild,
    PackageBuild,
    PypiBuild,
    UpstreamBuild,
)
from provisioner.catalog.load import Bundle, Catalog, Image, builds_of

ROOT = "machine-root"
# Disk space that a build takes, in MiB, measured: most of it is what compilers keep. For Go it is
# that of one command.
ROOM = {
    **{"debian-source": 4200, "go": 500, "debian": 50, "file": 300, "upstream": 1000},
    "pypi": 100,
    **{ROOT: 700, "box": 8000, "store": 1200},
}
DOWNLOADS = "downloads"


def _go(catalog: Catalog, name: str, cache: Path, *, modules: bool = True) -> Go:
    # Any toolchain that a package installs can fetch those that the proxy serves.
    local = next(kind.path for kind in catalog.toolchains.values() if kind.path)
    root = golang.toolchain(name, catalog.toolchains, local, cache / "go")
    return Go(root, cache / "go", modules)


def _build_step(name: str, build: Build, catalog: Catalog, cache: Path) -> Step:
    suite = catalog.machine_root.suite

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        if isinstance(build, PackageBuild):
            debian.fetch_packages(cache, suite, build.packages, into, tell)
        elif isinstance(build, FileBuild):
            local_file.take(name, build, into / local_file.FILE)
        elif isinstance(build, UpstreamBuild):
            upstream.take(build.files, catalog.way, cache / DOWNLOADS, into, tell)
        elif isinstance(build, PypiBuild):
            pypi.install(build, catalog.python_locks[build.lock], cache / "work" / name, into, tell)
        elif isinstance(build, GoBuild):
            go = _go(catalog, build.toolchain, cache)
            golang.build_module(build, go, cache / "work" / name, into, tell)
        else:
            tree = debian.fetch_source(cache, suite, build.package, build.version, tell)
            go = _go(catalog, build.toolchain, cache, modules=False)
            compile_kubernetes(build, tree, go, into, tell)

    tools = catalog.toolchains[build.toolchain].model_dump() if hasattr(build, "toolchain") else ""
    if isinstance(build, PypiBuild):
        tools = pypi.requirements(catalog.python_locks[build.lock])
    # A file is what its sum says, wherever it lies.
    exclude = {"path"} if isinstance(build, FileBuild) else None
    key = content_key(build.model_dump(exclude=exclude), tools, suite)
    commands = len(build.commands) if isinstance(build, GoBuild) else 1
    return Step(name, key, make, room=ROOM[build.source] * commands)


def _layer_step(name: str, catalog: Catalog, builds: Mapping[str, Step]) -> Step:
    layer = catalog.layers[name]

    def make(into: Path, made: Made, tell: Tell) -> None:
        tell("writing", None)
        images.shared_layer(layer, made[layer.build], into / "layer.tar")

    key = content_key(layer.model_dump(), builds[layer.build].key)
    return Step(f"layer-{name}", key, make, (layer.build,))


def _image_step(name: str, image: Image, reference: str, steps: Mapping[str, Step]) -> Step:
    if image.archive:
        return _archive_step(name, image, reference, steps)
    builds = sorted({file.split("/")[0] for file in image.files.values()})
    needs = (*builds, *(f"layer-{layer}" for layer in image.layers))

    def make(into: Path, made: Made, tell: Tell) -> None:
        tell("writing", None)
        shared = []
        for layer in image.layers:
            path = made[f"layer-{layer}"] / "layer.tar"
            shared.append(images.LayerFile(path, sha256(path)))
        files = {there: locate(made, file) for there, file in image.files.items()}
        images.write_image(reference, image, shared, files, into / f"{name}.tar")

    made_of = image.model_dump(exclude={"repository", "archive"})
    key = content_key(made_of, reference, [steps[need].key for need in needs])
    return Step(f"image-{name}", key, make, needs)


def _archive_step(name: str, image: Image, reference: str, steps: Mapping[str, Step]) -> Step:
    need = image.archive.split("/")[0]

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        archive = locate(made, image.archive)
        local_file.check_archive(need, archive, reference)
        os.link(archive, into / f"{name}.tar")

    return Step(f"image-{name}", content_key(reference, steps[need].key), make, (need,))


def locate(made: Made, file: str) -> Path:
    """The path of a file that the catalogue names as ``BUILD/PATH``."""
    build, _, path = file.partition("/")
    return made[build] / path


def root_step(catalog: Catalog, cache: Path) -> Step:
    """The step that makes the machine root."""

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        debian.make_root(cache, catalog.machine_root, into / "tree", tell)

    return Step(ROOT, content_key(catalog.machine_root.model_dump()), make, room=ROOM[ROOT])


def box_step(catalog: Catalog, name: str, baked: box.Baked | None, cache: Path) -> Step:
    """The step that makes a Vagrant box; a baked one carries an artifact set."""
    wanted = catalog.boxes[name]

    def make(into: Path, made: Made, tell: Tell) -> None:  # noqa: ARG001
        if isinstance(wanted, FetchedBox):
            upstream.take({box.BOX: wanted.file}, catalog.way, cache / DOWNLOADS, into, tell)
        else:
            box.make_box(cache, wanted, baked, into, tell)

    what = (baked.folder.name, baked.docker_disk_gib) if baked else ""
    makers = "" if isinstance(wanted, FetchedBox) else [sha256(path) for path in box.MAKERS]
    key = content_key(wanted.model_dump(), what, makers)
    return Step(f"box-{name}{'-baked' if baked else ''}", key, make, room=ROOM["box"])


def store_step(root: Step, folder: Path, archives: Sequence[Path]) -> Step:
    """The step that loads the images of the set in ``folder`` into docker, for machine containers.

    It is done by the docker of a machine root, so another root makes another store.
    """

    def make(into: Path, made: Made, tell: Tell) -> None:
        docker_store.make_store(made[root.name] / "tree", folder, archives, into, tell)

    makers = [sha256(path) for path in docker_store.MAKERS]
    key = content_key(root.key, folder.name, makers)
    return Step("docker-store", key, make, (root.name,), room=ROOM["store"])


def steps_for(catalog: Catalog, bundles: list[Bundle], cache: Path) -> dict[str, Step]:
    """Every step that a lab's bundles need, by name."""
    steps = {}
    for name in dict.fromkeys(builds_of(catalog, bundles)):
        steps[name] = _build_step(name, catalog.builds[name], catalog, cache)
    for name in catalog.layers:
        if catalog.layers[name].build in steps:
            layer = _layer_step(name, catalog, steps)
            steps[layer.name] = layer
    for bundle in bundles:
        for name, image in {**bundle.images, **bundle.control_plane}.items():
            reference = catalog.reference(name, image)
            step = _image_step(name, image, reference, steps)
            steps[step.name] = step
    return steps
