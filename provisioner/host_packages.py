"""Packages of this host, by its own package manager."""

import shutil
from collections.abc import Iterable, Iterator

from provisioner.catalog.model import Catalog
from provisioner.shell import run, stream

# The commands of each package manager that list installed packages (one a line) and install.
ASK = {
    "apt": ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"],
    "dnf": ["rpm", "--query", "--queryformat", "%{NAME} installed\n"],
}
INSTALL = {
    "apt": [["apt-get", "-q", "update"], ["apt-get", "-qy", "install", "--no-install-recommends"]],
    "dnf": [["dnf", "-y", "install"]],
}


def _manager() -> str:
    return "apt" if shutil.which("apt-get") else "dnf" if shutil.which("dnf") else ""


def wanted_packages(catalog: Catalog, uses: Iterable[str]) -> list[str]:
    """The catalogue's packages for ``uses``: build, test, or the name of a provider."""
    offer = catalog.host_packages.get(_manager())
    if offer is None:
        return []
    return list(dict.fromkeys(package for use in uses for package in getattr(offer, use)))


def missing_packages(catalog: Catalog, uses: Iterable[str]) -> list[str]:
    """The packages of ``wanted_packages`` that are not installed on this host."""
    wanted = wanted_packages(catalog, uses)
    if not wanted:
        return []
    lines = run([*ASK[_manager()], *wanted], check=False).stdout.splitlines()
    installed = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def install_packages(packages: Iterable[str]) -> Iterator[str]:
    """Install packages; yields the package manager's output line by line.

    Raises:
        CommandError: the package manager failed.
    """
    hint = "Run it by hand and read its output, then run the command again."
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    *before, install = INSTALL[_manager()]
    for command in (*before, [*install, *packages]):
        with stream(command, env=quiet, hint=hint) as lines:
            yield from lines
