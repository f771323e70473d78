"""The lab spec: what a user asks for, and the only reader of a user's YAML.

Every fault is reported at once, with the file, the key path, the value, why it is refused and what
would be right. Nothing is touched before a spec has passed.
"""

from provisioner.spec.fields import DNS_LABEL
from provisioner.spec.read import StoredSpec, parse_spec, read_spec, read_stored
from provisioner.spec.rules import Offer, Offers, SpecFault
from provisioner.spec.shape import (
    DOCKER_DISK_GIB,
    NO_DASHBOARD,
    Artifacts,
    LabSpec,
    MachineOptions,
    NodeSpec,
    Provider,
    VagrantOptions,
    Weave,
)

__all__ = [
    "DNS_LABEL",
    "DOCKER_DISK_GIB",
    "NO_DASHBOARD",
    "Artifacts",
    "LabSpec",
    "MachineOptions",
    "NodeSpec",
    "Offer",
    "Offers",
    "Provider",
    "SpecFault",
    "StoredSpec",
    "VagrantOptions",
    "Weave",
    "parse_spec",
    "read_spec",
    "read_stored",
]
