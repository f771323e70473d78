"""Packages of this host, by its own package manager."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from provisioner.catalog.model import Catalog
from provisioner.host_questions import HASHICORPS_VAGRANT, HostAnswer
from provisioner.shell import run, stream

# The name of the provider's question about programs. Host packages install those programs.
PROGRAMS = "tools"
# What HashiCorp's vagrant takes the place of, and what it cannot load.
REPLACED = frozenset({"vagrant", "vagrant-libvirt"})
APT_LISTS = Path("/var/lib/apt/lists")
# The commands of each package manager that list installed packages (one a line), that show packages
# of its repositories, and that install.
ASK = {
    "apt": ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"],
    "dnf": ["rpm", "--query", "--queryformat", "%{NAME} installed\n"],
}
SHOW = {
    "apt": ["apt-cache", "show", "--no-all-versions"],
    "dnf": ["dnf", "-q", "repoquery", "--queryformat", "Package: %{name}\n"],
}
INSTALL = {
    "apt": [["apt-get", "-q", "update"], ["apt-get", "-qy", "install", "--no-install-recommends"]],
    "dnf": [["dnf", "-y", "install"]],
}


def package_manager() -> str:
    """The package manager of this host, of those that are known: apt, dnf, or empty."""
    return "apt" if shutil.which("apt-get") else "dnf" if shutil.which("dnf") else ""


def wanted_packages(catalog: Catalog, uses: Iterable[str]) -> list[str]:
    """The catalogue's packages for ``uses``: build, test, or the name of a provider."""
    offer = catalog.host_packages.get(package_manager())
    if offer is None:
        return []
    replaced = REPLACED if HASHICORPS_VAGRANT.is_dir() else ()
    named = (package for use in uses for package in getattr(offer, use))
    return [package for package in dict.fromkeys(named) if package not in replaced]


def missing_packages(catalog: Catalog, uses: Iterable[str]) -> list[str]:
    """The packages of ``wanted_packages`` that are not installed on this host."""
    wanted = wanted_packages(catalog, uses)
    if not wanted:
        return []
    lines = run([*ASK[package_manager()], *wanted], check=False).stdout.splitlines()
    installed = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def unknown_packages(packages: list[str]) -> list[str]:
    """Those that no repository of this host has; none where the lists are not here to be read."""
    manager = package_manager()
    if manager == "apt" and not any(APT_LISTS.glob("*_Packages*")):
        return []
    asked = run([*SHOW[manager], *packages], check=False)
    known = {line.split()[1] for line in asked.stdout.splitlines() if line.startswith("Package: ")}
    # Without a network dnf knows none.
    return [package for package in packages if package not in known] if known else []


def packages_answer(catalog: Catalog, uses: Iterable[str]) -> HostAnswer:
    """What this host lacks for ``uses``, and whether its package manager has it."""
    if not package_manager():
        return True, "not asked: neither apt nor dnf is here", ""
    missing = missing_packages(catalog, uses)
    if not missing:
        return True, "all there", ""
    if unknown := unknown_packages(missing):
        said = f"in no repository of this host: {', '.join(unknown)}"
        hint = "Install them from elsewhere, or use a profile that does not need them."
        if REPLACED & set(unknown):
            hint += " HashiCorp has a vagrant of its own: `vagrant plugin install vagrant-libvirt`."
        return False, said, hint
    return True, f"`kubelab up` installs {', '.join(missing)}", ""


def install_packages(packages: Iterable[str]) -> Iterator[str]:
    """Install packages; yields the package manager's output line by line.

    Raises:
        CommandError: the package manager failed.
    """
    hint = "Run it by hand and read its output, then run the command again."
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    *before, install = INSTALL[package_manager()]
    for command in (*before, [*install, *packages]):
        with stream(command, env=quiet, hint=hint) as lines:
            yield from lines
