"""The lab spec: what a user asks for, and the only reader of a user's YAML.

Every fault is reported at once, with the file, the key path, the value, why it is refused and what
would be right. Nothing is touched before a spec has passed.
"""

from provisioner.spec.read import parse_spec, read_spec
from provisioner.spec.rules import Fault, Known, KnownBy
from provisioner.spec.shape import (
    DNS_LABEL,
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
    "Fault",
    "Known",
    "KnownBy",
    "LabSpec",
    "MachineOptions",
    "NodeSpec",
    "Provider",
    "VagrantOptions",
    "Weave",
    "parse_spec",
    "read_spec",
]
