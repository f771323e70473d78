"""The provider of a lab, as its spec names it. A new one is a folder here, and a line below."""

from pathlib import Path

from provisioner.providers.base import Provider
from provisioner.providers.libvirt import provider as libvirt
from provisioner.providers.nspawn import provider as nspawn
from provisioner.spec import LabSpec


def provider_of(spec: LabSpec, folder: Path, cache: Path) -> Provider:
    """The provider of a lab whose files are in ``folder``; ``cache`` is shared by all labs."""
    if spec.provider.name == "vagrant":
        return libvirt.provider_of(spec, folder, cache / "vagrant")
    return nspawn.provider_of(spec, folder)
