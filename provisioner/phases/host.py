"""Phases for this host: check whether it can run the lab, and install its packages."""

from dataclasses import dataclass

from provisioner.artifacts.artifact_set import host_packages_for, order_of
from provisioner.context import Context
from provisioner.errors import HostError
from provisioner.host_packages import (
    PROGRAMS,
    install_packages,
    missing_packages,
    packages_answer,
)
from provisioner.host_questions import ask_all
from provisioner.model import Event, Finding
from provisioner.phases.base import Done, Phase


def uses_of(context: Context) -> tuple[str, ...]:
    """The groups of host packages that a lab needs."""
    order = order_of(context.spec, context.workshop)
    return (*host_packages_for(order, context.workshop), context.spec.provider.name)


def refuse(findings: list[Finding]) -> None:
    """Raise one error for all failed findings.

    Raises:
        HostError: a finding failed; has the name, detail and hint of each.
    """
    bad = [finding for finding in findings if not finding.ok]
    if bad:
        raise HostError(
            "this host cannot run the lab: " + ", ".join(finding.name for finding in bad),
            "\n".join(f"{finding.name}: {finding.detail}" for finding in bad),
            "\n  ".join(finding.hint for finding in bad if finding.hint),
        )


class CheckHost(Phase):
    """Ask the provider whether this host can run its machines, before anything is changed."""

    key = "host"
    title = "Host"

    def run(self, context: Context) -> Done:
        """Ask the provider's questions.

        Raises:
            HostError: this host cannot run the lab.
        """
        findings = context.provider.probe()
        uses = uses_of(context)
        if missing_packages(context.catalog, uses):
            findings = [finding for finding in findings if finding.name != PROGRAMS]
        asked = ask_all({"packages": lambda: packages_answer(context.catalog, uses)})
        refuse([*asked, *findings])
        return Done(f"{len(findings)} checks passed")


@dataclass
class InstallHostPackages(Phase):
    """Install the host packages for builds, for the provider, and for the groups in ``more``.

    With ``ask`` the provider's questions come again: some were open without the packages, such as
    whether the distribution's Vagrant and its plugin work together.
    """

    more: tuple[str, ...] = ()
    ask: bool = False
    key = "host-packages"
    title = "Host packages"

    def _missing(self, context: Context) -> list[str]:
        return missing_packages(context.catalog, (*uses_of(context), *self.more))

    def needed(self, context: Context) -> bool:
        """Whether a package of the catalogue is missing."""
        return bool(self._missing(context))

    def run(self, context: Context) -> Done:
        """Install the missing packages.

        Raises:
            CommandError: the package manager failed.
            HostError: what was installed does not serve.
        """
        packages = self._missing(context)
        for line in install_packages(packages):
            context.listen(Event(self.key, "install", "progress", detail=line[:60]))
        if self.ask:
            refuse(context.provider.probe())
        return Done(f"installed {', '.join(packages)}")
