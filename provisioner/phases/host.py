"""Phases that look after this host: whether it can serve at all, and what must be installed."""

from dataclasses import dataclass

from provisioner.context import Context
from provisioner.errors import HostError
from provisioner.host_packages import install_packages, missing_packages
from provisioner.model import Event, Finding
from provisioner.phases.base import Done, Phase

# The question about programs, which come with the host packages.
PROGRAMS = "tools"


def uses_of(context: Context) -> tuple[str, ...]:
    """What a lab wants host packages for."""
    return ("build", context.spec.provider.name)


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


class CheckHost(Phase):
    """Ask the provider whether this host can serve, before anything is installed or made."""

    key = "host"
    title = "Host"

    def run(self, context: Context) -> Done:
        """Put the provider's questions.

        Raises:
            HostError: this host cannot serve.
        """
        findings = context.provider.probe()
        if missing_packages(context.catalog, uses_of(context)):
            findings = [finding for finding in findings if finding.name != PROGRAMS]
        refuse(findings)
        return Done(f"{len(findings)} questions answered well")


@dataclass
class InstallHostPackages(Phase):
    """Install what this host needs to build artifacts and to run machines, and for ``more``."""

    more: tuple[str, ...] = ()
    key = "host-packages"
    title = "Host packages"

    def _missing(self, context: Context) -> list[str]:
        return missing_packages(context.catalog, (*uses_of(context), *self.more))

    def needed(self, context: Context) -> bool:
        """Whether a package of the catalogue is missing."""
        return bool(self._missing(context))

    def run(self, context: Context) -> Done:
        """Install them.

        Raises:
            CommandError: the package manager failed.
        """
        packages = self._missing(context)
        for line in install_packages(packages):
            context.listen(Event(self.key, "install", "progress", detail=line[:60]))
        return Done(f"installed {', '.join(packages)}")
