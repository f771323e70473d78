"""What labs of virtual machines have at this host's libvirt, with or without their folders."""

import re
from pathlib import Path

import libvirt

from provisioner.model import HostLab, Listener
from provisioner.providers.libvirt.hypervisor import STATES, Hypervisor
from provisioner.providers.libvirt.service import answers

NAME = "vagrant"
URI = "qemu:///system"
MARK = "kubelab lab {label}"
# The description of a domain; those of early versions name no folder.
DESCRIPTION = re.compile(r"kubelab lab (?P<label>\S+) \S+(?: in (?P<folder>/.+))?")


def prefix_of(label: str) -> str:
    """What the names of all domains, volumes and networks of a lab start with."""
    return f"kubelab-{label}-"


def hypervisor_of(label: str, uri: str) -> Hypervisor:
    """The part of libvirt that is a lab's."""
    return Hypervisor(uri, prefix_of(label), MARK.format(label=label))


def labs_on_host(uri: str = URI) -> list[HostLab]:
    """Every lab that has a domain at this host's libvirt; none if libvirt does not run."""
    if not answers(uri):
        return []
    found: dict[str, HostLab] = {}
    for domain in hypervisor_of("", uri).link.listAllDomains():
        told = DESCRIPTION.fullmatch(_description(domain))
        if told is None or not domain.name().startswith(prefix_of(told["label"])):
            continue
        before = found.get(told["label"])
        running = (before.running if before else 0) + (domain.state()[0] in STATES)
        folder = Path(told["folder"]) if told["folder"] else None
        found[told["label"]] = HostLab(told["label"], NAME, running, folder)
    return [found[label] for label in sorted(found)]


def remove_lost(label: str, listen: Listener, uri: str = URI) -> None:
    """Remove the domains, disks and networks of a lab whose folder is gone."""
    del listen
    hypervisor_of(label, uri).sweep(with_boxes=False)


def _description(domain: libvirt.virDomain) -> str:
    try:
        return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None))
    except libvirt.libvirtError:
        # It has none.
        return ""
