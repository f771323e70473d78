"""Whether this host can run a lab, and which profile it is then, where nobody named one."""

from dataclasses import dataclass

from provisioner.artifacts.reach import Reach
from provisioner.artifacts.sets import entries_of
from provisioner.asking import put
from provisioner.lab import cache
from provisioner.model import Finding
from provisioner.phases.artifacts import order_of
from provisioner.phases.base import Context
from provisioner.spec import VagrantOptions


def is_cached(context: Context) -> bool:
    """Whether nothing has to be fetched or built any more for a lab."""
    steps = entries_of(context.catalog, order_of(context.spec), cache())
    return all(entry.is_dir() for _, entry in steps)


def doctor_of(context: Context) -> list[Finding]:
    """Every question to the host: the provider's, and whether the sources of artifacts answer."""
    local = next((kind.path for kind in context.catalog.toolchains.values() if kind.path), None)
    reach = Reach(context.catalog.machine_root.suite, local, is_cached(context))
    return context.provider.probe() + put(reach.questions())


@dataclass(frozen=True)
class Choice:
    """Which profile a host gets where nobody named one, and the findings that decided it."""

    profile: str
    why: str
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, object]:
        """The choice as a JSON object."""
        checks = [finding.as_json() for finding in self.findings]
        return {"profile": self.profile, "why": self.why, "checks": checks}


def choose(virtual: Context, fallback: str) -> Choice:
    """The lab of virtual machines where this host can run it by KVM, else ``fallback``."""
    assert isinstance(virtual.spec.provider, VagrantOptions)
    findings = doctor_of(virtual)
    bad = [f.name for f in findings if not f.ok]
    kvm = next(finding for finding in findings if finding.name == "kvm")
    if not kvm.detail.startswith("usable"):
        bad.insert(0, "kvm")
    if not bad:
        return Choice(virtual.spec.name, "KVM boots a guest, and all else is well", (*findings,))
    why = f"{virtual.spec.name} cannot run here by KVM: {', '.join(dict.fromkeys(bad))}"
    return Choice(fallback, why, (*findings,))
