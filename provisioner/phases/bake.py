"""The phase that makes a Vagrant box of a machine that roles prepared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.artifacts.box import BOX, pack_machine
from provisioner.artifacts.store import sha256
from provisioner.catalog.model import FetchedBox
from provisioner.context import Context
from provisioner.errors import UsageError
from provisioner.lab import cache
from provisioner.model import Event
from provisioner.phases.base import Done, Phase
from provisioner.providers.libvirt.provider import VagrantProvider
from provisioner.spec import LabSpec, VagrantOptions


def to_bake(spec: LabSpec) -> LabSpec:
    """The lab in which the box of ``spec`` is baked: one machine, docker's folder on its root.

    Raises:
        UsageError: its machines are not made from a publisher's box.
    """
    provider = spec.provider
    if not isinstance(provider, VagrantOptions):
        hint = "`kubelab artifacts build box` makes kubelab's own."
        raise UsageError(f"{spec.name} has no box of a publisher", "", hint)
    options = provider.model_copy(update={"docker_disk_gib": 0})
    name, only = f"bake-{provider.box.name}", [spec.control_plane]
    return spec.model_copy(update={"name": name, "nodes": only, "provider": options})


def fetched_box(context: Context) -> tuple[str, FetchedBox]:
    """The lab's box in the catalogue, with its name there.

    Raises:
        UsageError: kubelab builds that box.
    """
    choice = context.spec.provider.box
    name = choice.name if choice else ""
    found = context.catalog.boxes.get(name)
    if not isinstance(found, FetchedBox):
        hint = "`kubelab artifacts build box` builds it with all that it needs."
        raise UsageError(f"the box {name} is kubelab's own", "", hint)
    return name, found


def baked_file(name: str) -> Path:
    """Where the baked box of that name is."""
    return cache() / "boxes" / name / BOX


def override_for(name: str, box: FetchedBox) -> Mapping[str, Any]:
    """The overrides of a spec that take the baked box in place of its publisher's."""
    path = baked_file(name)
    file = {"url": path.as_uri(), "sha256": sha256(path), "sums": ""}
    # Vagrant has one box of each name.
    baked = {"name": f"{box.name}-baked", "file": file}
    return {"artifacts": {"overrides": {"artifacts_boxes": {name: baked}}}}


class PackBox(Phase):
    """Make a box of the disk of the lab's one machine, which is stopped."""

    key = "box"
    title = "Box"

    def run(self, context: Context) -> Done:
        """Copy the disk into a box, with the key by which vagrant reaches the machine.

        Raises:
            CommandError: the disk cannot be read, or there is no room.
            UsageError: kubelab builds that box itself.
        """
        name, box = fetched_box(context)
        provider, file = context.provider, baked_file(name)
        assert isinstance(provider, VagrantProvider)
        context.listen(Event(self.key, "pack the disk", "start"))
        pack_machine(*provider.disk_and_key(context.first_control_plane), box.guest, file)
        return Done(f"{file}, {file.stat().st_size >> 20} MiB")
