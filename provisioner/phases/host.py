"""Phases that look after this host: what must be installed, and whether it can serve at all."""

import shutil
from dataclasses import dataclass

from provisioner.errors import HostError
from provisioner.model import Event, Finding
from provisioner.phases.base import Context
from provisioner.shell import run, stream

# How each package manager is asked what is installed (a name a line), and how it installs.
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


def wanted_packages(context: Context, *more: str) -> list[str]:
    """The packages of the catalogue that a lab needs on this host, and those for ``more``."""
    offer = context.catalog.host_packages.get(_manager())
    if offer is None:
        return []
    uses = ("build", context.spec.provider.name, *more)
    return list(dict.fromkeys(package for use in uses for package in getattr(offer, use)))


def missing_packages(context: Context, *more: str) -> list[str]:
    """Those of ``wanted_packages`` that are not installed on this host."""
    wanted = wanted_packages(context, *more)
    if not wanted:
        return []
    lines = run([*ASK[_manager()], *wanted], check=False).stdout.splitlines()
    installed = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


@dataclass
class InstallHostPackages:
    """Install what this host needs to build artifacts and to run machines, and for ``more``."""

    more: tuple[str, ...] = ()
    key: str = "host-packages"
    title: str = "Host packages"

    def needed(self, context: Context) -> bool:
        """Whether a package of the catalogue is missing."""
        return bool(missing_packages(context, *self.more))

    def run(self, context: Context) -> str:
        """Install them.

        Raises:
            CommandError: the package manager failed.
        """
        packages = missing_packages(context, *self.more)
        hint = "Run it by hand and look at what it says, then run the command again."
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        *before, install = INSTALL[_manager()]
        for command in (*before, [*install, *packages]):
            title = " ".join(command[:3])
            with stream(command, env=quiet, hint=hint) as lines:
                for line in lines:
                    context.listen(Event(self.key, title, "progress", detail=line[:60]))
        return f"installed {', '.join(packages)}"


def refuse(findings: list[Finding]) -> None:
    """Turn findings that are not well into one error.

    Raises:
        HostError: names each, with what to type.
    """
    bad = [finding for finding in findings if not finding.ok]
    if bad:
        raise HostError(
            "this host cannot run the lab: " + ", ".join(finding.name for finding in bad),
            "\n".join(f"{finding.name}: {finding.detail}" for finding in bad),
            "\n  ".join(finding.hint for finding in bad if finding.hint),
        )


@dataclass
class CheckHost:
    """Ask the provider whether this host can serve, before anything is made."""

    key: str = "host"
    title: str = "Host"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: it costs milliseconds."""
        return True

    def run(self, context: Context) -> str:
        """Put the provider's questions.

        Raises:
            HostError: this host cannot serve.
        """
        findings = context.provider.probe()
        refuse(findings)
        return f"{len(findings)} questions answered well"
