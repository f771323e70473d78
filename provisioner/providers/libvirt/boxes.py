"""The upload of a Vagrant box into libvirt's pool, which all labs of a host share.

vagrant-libvirt uses any volume that has the name of the box, even while another lab uploads it, or
where a killed upload left it incomplete. A machine that is made from such a volume does not boot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import libvirt
from filelock import FileLock, Timeout

from provisioner.errors import LabError
from provisioner.locks import private_lock
from provisioner.model import Event, Listener
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.pool import BOX_VOLUME
from provisioner.providers.libvirt.vagrantcli import PHASE
from provisioner.render import BoxFile


def _lock(home: Path) -> FileLock:
    return private_lock(home / "libvirt.lock")


def _folder(home: Path, box: BoxFile) -> Path:
    """Where vagrant unpacks a box."""
    return home / "boxes" / box.name.replace("/", "-VAGRANTSLASH-")


def _refuse_another(home: Path, box: BoxFile) -> None:
    """Refuse a publisher's box whose name vagrant has with another content; it would take that.

    Raises:
        LabError: names both checksums.
    """
    if box.published is None:
        return
    known = _folder(home, box) / "kubelab.sha256"
    before = known.read_text(encoding="utf-8") if known.is_file() else box.published.sha256
    if before != box.published.sha256:
        raise LabError(
            f"box {box.name}: vagrant has another one of this name",
            f"{known.parent} has SHA-256 {before}, and this lab wants {box.published.sha256}.",
            "Give this one another name in artifacts.overrides.artifacts_boxes.",
        )
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(before, encoding="utf-8")


def _has_whole(hypervisor: Hypervisor, home: Path, box: BoxFile) -> bool:
    """Whether libvirt has the whole box. An incomplete volume is removed.

    A box that is not unpacked in vagrant's ``home`` was not uploaded from this host.
    """
    folder = _folder(home, box)
    start = f"{folder.name}{BOX_VOLUME}"
    volumes = [v for v in hypervisor.pool.volumes() if v.name().startswith(start)]
    unpacked = list(folder.glob("*/libvirt/*.img"))
    if not unpacked:
        return bool(volumes)
    whole = 0
    for volume, image in product(volumes, unpacked):
        if volume.name().endswith(f"_{image.name}"):
            if volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2] < image.stat().st_size:
                volume.delete()
            else:
                whole += 1
    return whole == len(unpacked)


@contextmanager
def pool_with_box(
    hypervisor: Hypervisor, home: Path, box: BoxFile, listen: Listener
) -> Iterator[None]:
    """Make the pool, and be the only lab that uploads a box, unless libvirt has this one.

    Raises:
        LabError: vagrant has another box of this name, or libvirt refuses.
    """
    lock = _lock(home)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        said = "waiting for another lab that uploads its box to libvirt"
        listen(Event(PHASE, "vagrant up", "progress", detail=said))
        lock.acquire()
    try:
        _refuse_another(home, box)
        hypervisor.pool.ensure()
        if _has_whole(hypervisor, home, box):
            lock.release()
        yield
    finally:
        lock.release()


@contextmanager
def uploads_blocked(home: Path) -> Iterator[bool]:
    """Whether no lab uploads a box. If so, no upload begins until the block ends."""
    lock = _lock(home)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
