"""The types of values in a lab spec. Each error says what is wrong and what to write instead."""

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import AfterValidator

# RFC 3986: what is reserved, what is not, and the percent sign.
URL_CHARACTERS = r"A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-"
GROUPS = ("cluster", "control_plane", "workers")
"""The groups of an inventory."""
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _dns_label(value: str) -> str:
    if not DNS_LABEL.fullmatch(value):
        raise ValueError(
            "not a DNS label: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
        )
    return value


def _lab_name(value: str) -> str:
    if len(_dns_label(value)) > 32:
        raise ValueError("longer than 32 characters: machines and links carry this name")
    return value


def _network(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as bad:
        raise ValueError(f"not an IPv4 network ({bad}): write it like 10.77.0.0/24") from None
    if "/" not in value:
        raise ValueError("without a prefix length: write it like 10.77.0.0/24")
    if network.is_loopback or network.is_multicast or network.is_link_local or network.is_reserved:
        raise ValueError("not usable for machines: use a private range, like 10.77.0.0/24")
    # A netmask is read, too, and kubeadm only knows the other notation.
    return str(network)


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("not an IPv4 address: write it like 10.77.0.10") from None


def _uri(value: str) -> str:
    if not re.fullmatch(r"qemu(\+ssh)?://(\w[\w.-]*@)?(\w[\w.-]*)?(:\d+)?/system", value, re.ASCII):
        raise ValueError("not a libvirt URI: use qemu:///system, or qemu+ssh://USER@HOST/system")
    return value


def _link(value: str) -> str:
    if not re.fullmatch(r"[\w.-]{0,15}", value, re.ASCII):
        raise ValueError("not a link name: use at most 15 letters, digits, '.', '_' and '-'")
    return value


def _path(value: str) -> str:
    if not all(character.isprintable() for character in value):
        raise ValueError("a control character in a path: remove it")
    return value


def _absolute(value: str) -> str:
    if _path(value) and not value.startswith("/"):
        raise ValueError("not an absolute path: begin it with '/'")
    return value


def _cpu_model(value: str) -> str:
    if not re.fullmatch(r"[\w.-]*", value, re.ASCII):
        raise ValueError("not a CPU model of QEMU: use letters, digits, '.', '_' and '-'")
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"(https?://[^/]+(/.*)?)?", value):
        raise ValueError("not a URL: write it like https://mirror.example.org/path")
    if wrong := re.search(rf"[^{URL_CHARACTERS}]", value):
        raise ValueError(f"{wrong[0]!r} is in no URL: write it as %{ord(wrong[0]):02X}")
    return value.rstrip("/")


def _registry(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?", value):
        raise ValueError("not the name of a registry: write it like registry.k8s.io, without https")
    return value


def _node_port(value: int) -> int:
    if value and not 30000 <= value <= 32767:
        raise ValueError("not a NodePort: use 30000 to 32767, or 0 for any")
    return value


def _exposed(value: int | str) -> int | str:
    if value != "all" and not (isinstance(value, int) and 0 < value < 65536):
        raise ValueError("not a port: use numbers from 1 to 65535, or all")
    return value


Exposed = Annotated[int | str, AfterValidator(_exposed)]
Label = Annotated[str, AfterValidator(_dns_label)]
CpuModel = Annotated[str, AfterValidator(_cpu_model)]
HostPath = Annotated[str, AfterValidator(_path)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
LibvirtUri = Annotated[str, AfterValidator(_uri)]
Registry = Annotated[str, AfterValidator(_registry)]
Link = Annotated[str, AfterValidator(_link)]
LabName = Annotated[str, AfterValidator(_lab_name)]
NodePort = Annotated[int, AfterValidator(_node_port)]
Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[str, AfterValidator(_address)]
