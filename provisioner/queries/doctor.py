"""Whether this host can run a lab, and which profile it is then, where nobody named one."""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.artifacts.artifact_set import Order, entries_of, order_of
from provisioner.artifacts.reachability import Reachability
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.catalog.model import FetchedBox
from provisioner.context import Context
from provisioner.host_questions import put
from provisioner.model import Finding
from provisioner.providers.libvirt.kvm import KvmVerdict


def is_cached(workshop: Workshop, order: Order) -> bool:
    """Whether nothing has to be fetched or built any more for a lab."""
    return all(entry.is_dir() for _, entry in entries_of(workshop, order))


def _published(workshop: Workshop, order: Order, *, cached: bool) -> dict[str, list[str]]:
    """The URLs of publishers that a lab will ask for, by the name of the question about them.

    Files that are in the cache are not asked for any more; nodes fetch their packages each time.
    """
    catalog, found = workshop.catalog, {}
    if not cached:
        builds = catalog.builds_of(order.components)
        found["source-files"] = [u for b in builds for u in source_of(b, workshop).addresses()]
    box = catalog.boxes.get(order.box)
    if isinstance(box, FetchedBox):
        if not cached:
            found["source-box"] = [box.file.url]
        offered = (c.repositories.get(box.family, {}) for c in order.components)
        found["source-packages"] = [r.index for group in offered for r in group.values()]
    return {name: urls for name, urls in found.items() if urls}


def doctor_of(context: Context) -> list[Finding]:
    """Every question to the host: the provider's, and whether the sources of artifacts answer."""
    workshop = context.workshop
    catalog, order = workshop.catalog, order_of(context.spec, workshop)
    local = next((kind.path for kind in catalog.toolchains.values() if kind.path), None)
    cached = is_cached(workshop, order)
    published = _published(workshop, order, cached=cached)
    asked = Reachability(catalog.machine_root.suite, local, cached, published, workshop.route)
    return context.provider.probe() + put(asked.questions())


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


def _kvm(findings: Sequence[Finding]) -> str:
    """What was found of KVM, in one word."""
    return next(finding.verdict for finding in findings if finding.name == "kvm")


def lacks_only_qemu(findings: Sequence[Finding]) -> bool:
    """Whether all is well, and KVM could not be asked for want of QEMU."""
    return all(finding.ok for finding in findings) and _kvm(findings) == KvmVerdict.NO_QEMU


def choose(virtual: str, findings: Sequence[Finding], fallback: str) -> Choice:
    """The profile ``virtual`` where this host can run it by KVM, else ``fallback``."""
    bad = [f.name for f in findings if not f.ok]
    if _kvm(findings) != KvmVerdict.USABLE:
        bad.insert(0, "kvm")
    if not bad:
        return Choice(virtual, "KVM boots a guest, and all else is well", (*findings,))
    why = f"{virtual} cannot run here by KVM: {', '.join(dict.fromkeys(bad))}"
    return Choice(fallback, why, (*findings,))
