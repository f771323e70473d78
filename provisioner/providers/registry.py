"""The provider of a lab, as its spec names it. A new one is a folder here, and a line below."""

from pathlib import Path

from provisioner.model import HostLab, Listener
from provisioner.providers.base import Provider
from provisioner.providers.libvirt import provider as libvirt
from provisioner.providers.libvirt import remains as libvirt_remains
from provisioner.providers.nspawn import provider as nspawn
from provisioner.providers.nspawn import remains as nspawn_remains
from provisioner.spec import LabSpec


def provider_of(spec: LabSpec, folder: Path, cache: Path) -> Provider:
    """The provider of a lab whose files are in ``folder``; ``cache`` is shared by all labs."""
    if spec.provider.name == "vagrant":
        return libvirt.provider_of(spec, folder, cache / "vagrant")
    return nspawn.provider_of(spec, folder)


def labs_on_host() -> list[HostLab]:
    """Every lab that has something on this host, of whatever folder."""
    return [*nspawn_remains.labs_on_host(), *libvirt_remains.labs_on_host()]


def remove_lost(lab: HostLab, listen: Listener) -> None:
    """Remove all that a lab whose folder is gone has on this host.

    Raises:
        LabError: a part could not be removed.
    """
    remains = nspawn_remains if lab.provider == nspawn_remains.NAME else libvirt_remains
    remains.remove_lost(lab.label, listen)
