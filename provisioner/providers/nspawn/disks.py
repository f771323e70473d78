"""Copies of the disks of a machine that halts.

The layers of images are the bulk of them, and docker only reads those: an overlay copies a file up
before it is written. So copies share their files by hard links. All else is copied, by programs
that end with us: the next command must not find one at work.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from provisioner.shell import TETHER, run

# Of a machine's folder: what the kernel keeps for itself, and what was printed, is not copied.
PARTS = ("upper", "kubelet", "lower", "mounts.json")
DOCKER = "docker"
LAYERS = "overlay2"
LAYER_IDS = "image/overlay2/layerdb/sha256/*/cache-id"


def _parts(machine: Path) -> list[Path]:
    """What of a machine's folder is copied whole; a link to a root that is gone, too."""
    return [path for part in PARTS if (path := machine / part).exists() or path.is_symlink()]


def _layers(docker: Path) -> list[Path]:
    """The layers of images in a store of docker's: those that it has in its database as whole."""
    names = (file.read_text(encoding="utf-8").strip() for file in docker.glob(LAYER_IDS))
    return [path for name in sorted(names) if (path := docker / LAYERS / name).is_dir()]


def _copied(docker: Path, layers: Sequence[Path]) -> list[Path]:
    """What of a store of docker's is copied: all but the layers of images."""
    found = [path for path in docker.iterdir() if path.name != LAYERS]
    if (docker / LAYERS).is_dir():
        shared = set(layers)
        found += [path for path in (docker / LAYERS).iterdir() if path not in shared]
    return found


def size_mib(machine: Path) -> int:
    """How much disk a copy of a machine takes; layers of images take none."""
    paths, docker = _parts(machine), machine / DOCKER
    if docker.is_dir():
        paths += _copied(docker, _layers(docker))
    # Files come and go while they are counted.
    lines = run(["du", "-sxkc", *map(str, paths)], check=False).stdout.splitlines()
    return int(lines[-1].split()[0]) // 1024 if lines else 0


def copy(machine: Path, into: Path) -> None:
    """Copy the disks of the machine in one folder to another, which must not be there yet.

    Raises:
        CommandError: the disk is full.
    """
    into.mkdir(parents=True)
    _cp(_parts(machine), into)
    docker = machine / DOCKER
    if docker.is_dir():
        copy_docker(docker, into / DOCKER, _layers(docker))


def copy_docker(docker: Path, into: Path, layers: Sequence[Path]) -> None:
    """Copy a store of docker's, of which ``layers`` are never written to any more.

    Raises:
        CommandError: the disk is full.
    """
    copied = _copied(docker, layers)
    for folder in (Path(), Path(LAYERS)):
        _make_like(docker / folder, into / folder)
        _cp([path for path in copied if path.parent == docker / folder], into / folder)
    _share(layers, into / LAYERS)


def _share(layers: Sequence[Path], into: Path) -> None:
    """Copy layers of images into a folder, by hard links where that can be.

    Raises:
        CommandError: the disk is full.
    """
    if not layers:
        return
    words = [*TETHER, "cp", "--archive", "--link", *map(str, layers), str(into)]
    if run(words, check=False).code != 0:
        # Another file system, or too many links to one file.
        for layer in layers:
            run(["rm", "-rf", "--one-file-system", str(into / layer.name)])
        _cp(layers, into)
        return
    # What docker notes down beside the content of a layer.
    for layer in layers:
        for note in (into / layer.name).iterdir():
            if note.is_file() and not note.is_symlink():
                own = note.with_name(f".{note.name}.new")
                shutil.copy2(note, own)
                own.replace(note)


def _cp(paths: Sequence[Path], into: Path) -> None:
    if paths:
        options = ("--archive", "--reflink=auto", "--one-file-system")
        run([*TETHER, "cp", *options, *map(str, paths), str(into)])


def _make_like(folder: Path, new: Path) -> None:
    """Make a folder with the owner and the mode of another one, if that is there."""
    if folder.is_dir():
        new.mkdir()
        shutil.copystat(folder, new)
        status = folder.stat()
        shutil.chown(new, status.st_uid, status.st_gid)


def remove(place: Path) -> None:
    """Remove a tree of ours; nothing of another file system that is mounted in it."""
    run(["rm", "-rf", "--one-file-system", str(place)], timeout=300)
