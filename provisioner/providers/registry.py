"""The provider of a lab, as its spec names it. A new one is a folder here, and a line below."""

from pathlib import Path

from provisioner.providers.base import Provider
from provisioner.providers.libvirt import provider as libvirt
from provisioner.providers.nspawn import provider as nspawn
from provisioner.spec import LabSpec


def provider_of(spec: LabSpec, folder: Path, cache: Path, python: str = "") -> Provider:
    """The provider of a lab whose files are in ``folder``.

    ``cache`` is where this user's labs keep what they share. ``python`` is the version that comes
    with the system of the spec's choice; empty where the machines' own image brings one.
    """
    if spec.provider.name == "vagrant":
        return libvirt.provider_of(spec, folder, cache / "vagrant", python or "3")
    return nspawn.provider_of(spec, folder)
