"""The storage pool at a libvirt: the disks of all labs there, and the boxes that they came from."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from provisioner.providers.libvirt.errors import as_lab_error

POOL = "kubelab"
POOL_PATH = Path("/var/lib/libvirt/kubelab")
# What vagrant-libvirt puts after the name of a box for the name of its volume.
BOX_VOLUME = "_vagrant_box_image_"


@dataclass(frozen=True)
class Pool:
    """The pool of all labs. ``link`` gives the connection to libvirt."""

    link: Callable[[], Any]

    @property
    def is_defined(self) -> bool:
        """Whether libvirt knows it. It may be inactive."""
        return POOL in (pool.name() for pool in self.link().listAllStoragePools())

    def volumes(self) -> list[Any]:
        """The volumes of all labs; none where the pool is missing or inactive."""
        pools = [pool for pool in self.link().listAllStoragePools() if pool.name() == POOL]
        if not pools or not pools[0].isActive():
            return []
        # libvirt refuses while it creates a volume. Its list is complete even then.
        with suppress(libvirt.libvirtError):
            pools[0].refresh()
        volumes: list[Any] = pools[0].listAllVolumes()
        return volumes

    def volumes_of(self, domain: str) -> list[Any]:
        """The disks of a domain, without those of a domain whose name begins with this one."""
        disks = (f"{domain}.", f"{domain}_", f"{domain}-vd")
        return [volume for volume in self.volumes() if volume.name().startswith(disks)]

    def used_mib(self, domain: str) -> int:
        """How much the disks of a domain take now."""
        return int(sum(volume.info()[2] for volume in self.volumes_of(domain)) // 2**20)

    def ensure(self) -> None:
        """Make the pool, unless it is there with its folder.

        Raises:
            LabError: libvirt refuses.
        """
        with as_lab_error(f"no pool at {POOL_PATH}", f"Look at `virsh pool-dumpxml {POOL}`."):
            self._ensure()

    def _ensure(self) -> None:
        try:
            pool = self.link().storagePoolLookupByName(POOL)
        except libvirt.libvirtError:
            place = f"<target><path>{POOL_PATH}</path></target>"
            pool = self.link().storagePoolDefineXML(
                f"<pool type='dir'><name>{POOL}</name>{place}</pool>"
            )
        try:
            pool.refresh()
        except libvirt.libvirtError:
            # The pool is inactive, its folder is gone, or a volume is being created.
            if pool.isActive():
                with suppress(libvirt.libvirtError):
                    pool.destroy()
            if not pool.isActive():
                pool.build()
                pool.create()

    def remove_disks(self, domain: str) -> None:
        """Remove the disks of a domain."""
        for volume in self.volumes_of(domain):
            volume.delete()

    def remove_unless_used(self) -> None:
        """Remove the pool with the boxes in it, unless a lab has a disk there."""
        boxes = self.volumes()
        if not all(BOX_VOLUME in volume.name() for volume in boxes):
            return
        with suppress(libvirt.libvirtError):
            pool = self.link().storagePoolLookupByName(POOL)
            for volume in boxes:
                volume.delete()
            pool.destroy()
            # libvirt removes the folder, which may be on another host. One with files stays.
            with suppress(libvirt.libvirtError):
                pool.delete()
            pool.undefine()
