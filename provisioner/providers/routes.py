"""The links and routes of this host."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from provisioner.shell import run


def ip(*words: str) -> list[dict[str, Any]]:
    """What ``ip`` answers, as data."""
    answer: list[dict[str, Any]] = json.loads(run(["ip", "-j", *words]).stdout or "[]")
    return [entry for entry in answer if entry]


def _devices(route: dict[str, Any]) -> list[str]:
    """The links that a route uses: several for a route of many ways, none for a blackhole."""
    return [hop["dev"] for hop in (route, *route.get("nexthops", ())) if "dev" in hop]


def uplink_mtu() -> int:
    """The smallest MTU of the links that the default route uses; 1500 where there is none."""
    names = {name for route in ip("route", "show", "default") for name in _devices(route)}
    return min((int(ip("link", "show", "dev", name)[0]["mtu"]) for name in names), default=1500)


def routes_over(network: IPv4Network) -> Iterator[tuple[str, str, list[str]]]:
    """This host's routes that overlap a network: where to, by which way, and the links in it."""
    for route in ip("route", "show", "table", "main"):
        place, devices = str(route["dst"]), _devices(route)
        if place != "default" and IPv4Network(place, strict=False).overlaps(network):
            way = f"dev {', '.join(devices)}" if devices else str(route.get("type", "no way"))
            yield place, way, devices
