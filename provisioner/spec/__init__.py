"""The lab spec: what a user asks for, and the only reader of a user's YAML.

All faults are reported at once, each with the file, the key path, the value, the reason, and what
to write instead. Nothing is changed before the spec has passed.
"""

from provisioner.spec.fields import DNS_LABEL, GROUPS
from provisioner.spec.load import bounded_yaml
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
    "GROUPS",
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
    "bounded_yaml",
    "parse_spec",
    "read_spec",
    "read_stored",
]
