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

from provisioner.model import Event, Listener
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.pool import BOX_VOLUME
from provisioner.providers.libvirt.vagrantcli import PHASE
from provisioner.render import BoxFile


def _lock(home: Path) -> FileLock:
    home.mkdir(parents=True, exist_ok=True)
    return FileLock(home / "libvirt.lock")


def _has_whole(hypervisor: Hypervisor, home: Path, box: BoxFile) -> bool:
    """Whether libvirt has the whole box. An incomplete volume is removed.

    A box that is not unpacked in vagrant's ``home`` was not uploaded from this host.
    """
    name = box.name.replace("/", "-VAGRANTSLASH-")
    volumes = [v for v in hypervisor.pool.volumes() if v.name().startswith(f"{name}{BOX_VOLUME}")]
    unpacked = list((home / "boxes" / name).glob("*/libvirt/*.img"))
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
    """Make the pool, and be the only lab that uploads a box, unless libvirt has this one."""
    lock = _lock(home)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        said = "waiting for another lab that uploads its box to libvirt"
        listen(Event(PHASE, "vagrant up", "progress", detail=said))
        lock.acquire()
    try:
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
