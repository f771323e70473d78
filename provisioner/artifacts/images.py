"""Container images, written without a daemon as archives that ``docker load`` reads.

An archive is a tar of layers (tar files named by their SHA-256), a configuration that lists them,
and a manifest. Output is reproducible: names are sorted and times are zero.
Format: "Docker Image Specification v1.2", the predecessor of the OCI image-spec.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.artifacts.store import sha256
from provisioner.catalog.model import Image, Layer
from provisioner.shell import run

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Character-set tables of the C library: 8 MB that nothing in these images reads.
LEFT_OUT = ("usr/lib/x86_64-linux-gnu/gconv",)


@dataclass(frozen=True)
class LayerFile:
    """A layer as a file; ``digest`` is its SHA-256 in hexadecimal, docker's diff id."""

    path: Path
    digest: str


def _entry(name: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.mtime = mode, kind, 0
    return info


def _add_file(tar: tarfile.TarFile, name: str, source: Path) -> None:
    info = _entry(name, source.stat().st_mode & 0o7777)
    info.size = source.stat().st_size
    with source.open("rb") as file:
        tar.addfile(info, file)


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    info = _entry(name, 0o777, tarfile.SYMTYPE)
    info.linkname = target
    tar.addfile(info)


def _add_text(tar: tarfile.TarFile, name: str, text: bytes) -> None:
    info = _entry(name, 0o644)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))


def _add_folders(tar: tarfile.TarFile, names: Sequence[str]) -> None:
    parents = {str(parent) for name in names for parent in Path(name).parents} - {"."}
    for name in sorted(parents):
        tar.addfile(_entry(name, 0o755, tarfile.DIRTYPE))


def _finish(path: Path) -> LayerFile:
    return LayerFile(path, sha256(path))


def shared_layer(layer: Layer, tree: Path, out: Path) -> LayerFile:
    """Write the layer ``out`` from a build's tree and the layer's own links.

    On Debian 12 /bin, /lib and others are links into /usr, but packages ship both spellings. So
    all names are moved below /usr, and the links are written first.
    """
    links = {top: f"usr/{top}" for top in ("bin", "sbin", "lib", "lib64")}
    links |= layer.links
    if layer.busybox:
        applets = run([str(tree / layer.busybox), "--list"]).stdout.split()
        links |= {f"usr/bin/{name}": "busybox" for name in applets if name != "busybox"}
    files = {}
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        name = f"usr/{name}" if name.split("/")[0] in ("bin", "sbin", "lib", "lib64") else name
        if path.is_dir() and not path.is_symlink():
            continue
        if path.name.startswith(".files") or any(name.startswith(part) for part in LEFT_OUT):
            continue
        files[name] = path
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        _add_folders(tar, [*files, *links])
        tar.addfile(_entry("tmp", 0o1777, tarfile.DIRTYPE))
        for name in sorted({**files, **links}):
            if name in links:
                _add_link(tar, name, links[name])
            elif files[name].is_symlink():
                _add_link(tar, name, str(files[name].readlink()))
            else:
                _add_file(tar, name, files[name])
    return _finish(out)


def _own_layer(files: Mapping[str, Path], out: Path) -> LayerFile:
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        _add_folders(tar, list(files))
        for name, source in sorted(files.items()):
            _add_file(tar, name, source)
    return _finish(out)


def _config(image: Image, layers: Sequence[LayerFile]) -> bytes:
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": [PATH]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kubelab"} for _ in layers],
    }
    if image.entrypoint:
        config["config"]["Entrypoint"] = image.entrypoint
    else:
        config["config"]["Cmd"] = ["/bin/sh"]
    return json.dumps(config, sort_keys=True).encode()


def write_image(
    reference: str, image: Image, shared: Sequence[LayerFile], files: Mapping[str, Path], out: Path
) -> None:
    """Write the archive ``out`` of one image: ``shared`` layers below, ``files`` on top.

    ``reference`` is the full name, like ``kubelab.local/pause:3.2``. ``files`` maps paths in the
    image to files of this host.
    """
    layers = list(shared)
    own = out.with_suffix(".layer")
    if files:
        layers.append(_own_layer(files, own))
    config = _config(image, layers)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = {
        "Config": name,
        "RepoTags": [reference],
        "Layers": [f"{layer.digest}/layer.tar" for layer in layers],
    }
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for layer in layers:
            tar.addfile(_entry(layer.digest, 0o755, tarfile.DIRTYPE))
            _add_file(tar, f"{layer.digest}/layer.tar", layer.path)
        _add_text(tar, name, config)
        _add_text(tar, "manifest.json", json.dumps([manifest]).encode())
    own.unlink(missing_ok=True)
