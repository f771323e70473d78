"""The resolvers of machines: those of this host, if a machine can reach them.

A resolver on a loopback address answers this host alone. What is behind it serves machines; where
nothing tells what that is, this host's address in the lab's network leads to it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
# Where systemd-resolved, NetworkManager and resolvconf write the resolvers behind their own.
BEHIND = (
    Path("/run/systemd/resolve/resolv.conf"),
    Path("/run/NetworkManager/no-stub-resolv.conf"),
    Path("/run/dnsmasq/resolv.conf"),
)
# glibc's own where a file names none.
DEFAULT = "127.0.0.1"


@dataclass(frozen=True)
class Resolver:
    """What is written into machines, and the address of this host that questions are passed to.

    ``passed_to`` is empty where machines ask resolvers themselves. ``told`` says it to a person.
    """

    text: str
    passed_to: str
    told: str


def resolver_of(gateway: str) -> Resolver:
    """The resolver of machines to whom this host is ``gateway``."""
    for path in (RESOLV_CONF, *BEHIND):
        lines = _lines(path)
        servers = [str(server) for server in _servers(lines) if _is_reachable(server)]
        if servers:
            return Resolver(_text(lines, servers), "", f"{', '.join(servers)} ({path})")
    lines = _lines(RESOLV_CONF)
    own = [str(server) for server in _servers(lines) if _is_own(server)]
    passed_to = next(iter(own), DEFAULT)
    told = f"{gateway} leads to {passed_to} of this host"
    if not own:
        told = f"{RESOLV_CONF} names none that machines reach by IPv4; {told}"
    return Resolver(_text(lines, [gateway]), passed_to, told)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _servers(lines: Sequence[str]) -> Iterator[IPv4Address | IPv6Address]:
    for line in lines:
        match line.split():
            case ["nameserver", address, *_]:
                with suppress(ValueError):
                    yield ip_address(address)


def _is_reachable(server: IPv4Address | IPv6Address) -> bool:
    # Machines have no IPv6.
    return server.version == 4 and not (server.is_loopback or server.is_unspecified)


def _is_own(server: IPv4Address | IPv6Address) -> bool:
    return server.version == 4 and server.is_loopback


def _text(lines: Sequence[str], servers: Sequence[str]) -> str:
    """A file with other resolvers; domains to search and options stay."""
    kept = [line for line in lines if line.split()[:1] in (["search"], ["domain"], ["options"])]
    return "".join(f"{line}\n" for line in (*(f"nameserver {s}" for s in servers), *kept))
