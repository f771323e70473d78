"""Whether this host can run a lab, and the automatic choice of a profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from provisioner.artifacts.artifact_set import Order, entries_of, host_packages_for, order_of
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.locking import state_of
from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.reachability import Reachability
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.sources.golang import host_go
from provisioner.catalog.model import FetchedBox
from provisioner.context import Context
from provisioner.host_packages import PROGRAMS, missing_packages, packages_answer
from provisioner.host_questions import ask_all
from provisioner.model import Finding
from provisioner.providers.libvirt.kvm import KvmVerdict
from provisioner.spec import LabSpec

# Profiles that nobody has seen run, as docs/tested.yml says.
NEVER_SEEN = frozenset({"centos7", "debian12-weave"})


def is_cached(workshop: Workshop, order: Order) -> bool:
    """Whether the cache has all artifacts of an order."""
    return all(entry.is_dir() for _, entry in entries_of(workshop, order))


def _published(workshop: Workshop, order: Order, *, cached: bool) -> dict[str, list[str]]:
    """The publishers' URLs that a lab needs, by the name of the question about them.

    Cached files are not fetched again. Nodes always fetch their packages.
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


def _images(workshop: Workshop, order: Order) -> list[Pin]:
    """The images of registries that are not in the cache."""
    missing = [step.name for step, entry in entries_of(workshop, order) if not entry.is_dir()]
    builds = [name for name in missing if name in workshop.catalog.builds]
    return [pin for name in builds for pin in source_of(name, workshop).pins()]


def doctor_of(context: Context) -> list[Finding]:
    """Ask the host the provider's questions, and whether the sources of artifacts serve.

    Raises:
        SpecError: an override of the spec does not fit the catalogue.
    """
    workshop = context.workshop
    catalog, order = workshop.catalog, order_of(context.spec, workshop)
    local = host_go(catalog.toolchains)
    cached = is_cached(workshop, order)
    asked = Reachability(
        catalog.machine_root.suite,
        local,
        cached,
        _published(workshop, order, cached=cached),
        workshop.route,
        images=_images(workshop, order),
        ask_for=lambda pin: state_of(pin, workshop),
        builds="build" in host_packages_for(order, workshop),
    )
    uses = (*host_packages_for(order, workshop), context.spec.provider.name)
    packages = ask_all({"packages": lambda: packages_answer(catalog, uses)})
    return [*packages, *_probe(context, uses), *ask_all(asked.questions())]


def _probe(context: Context, uses: Sequence[str]) -> list[Finding]:
    """The provider's findings, without programs that come with packages which `up` installs."""
    lacking = missing_packages(context.catalog, uses)
    return [f for f in context.provider.probe() if f.ok or f.name != PROGRAMS or not lacking]


def settled(spec: LabSpec, before: LabSpec | None) -> tuple[LabSpec, str]:
    """A spec whose source is not ``auto``, and why it is this one; ``before`` is the lab's own.

    Raises:
        SpecError: an override of the spec does not fit the catalogue.
    """
    if spec.artifacts.source != "auto":
        return spec, ""
    if before and before.artifacts.source != "auto":
        source, why = before.artifacts.source, "the lab was made so"
    else:
        source, why = _source_that_answers(spec)
    artifacts = spec.artifacts.model_copy(update={"source": source})
    return spec.model_copy(update={"artifacts": artifacts}), f"{source}, because {why}"


def _source_that_answers(spec: LabSpec) -> tuple[Literal["packages", "upstream"], str]:
    """The source for ``auto``, and why: publishers if all of them answer, else packages."""
    artifacts = spec.artifacts.model_copy(update={"source": "upstream"})
    workshop = workshop_of(artifacts)
    order = order_of(spec, workshop)
    images = _images(workshop, order)
    urls = _published(workshop, order, cached=not images and is_cached(workshop, order))
    asked = Reachability(
        workshop.catalog.machine_root.suite,
        None,
        cached=False,
        published={name: urls[name] for name in ("source-files",) if name in urls},
        route=workshop.route,
        images=images,
        ask_for=lambda pin: state_of(pin, workshop),
        builds=False,
    )
    bad = [finding for finding in ask_all(asked.questions()) if not finding.ok]
    if not bad:
        return "upstream", "all its publishers answer"
    return "packages", "; ".join(f"{finding.name}: {finding.detail}" for finding in bad)


@dataclass(frozen=True)
class Choice:
    """The automatic choice of a profile, its reason, and the findings that decided it."""

    profile: str
    why: str
    findings: tuple[Finding, ...]

    @property
    def never_seen(self) -> bool:
        """Whether nobody has seen a lab of this profile run."""
        return self.profile in NEVER_SEEN

    def as_json(self) -> dict[str, object]:
        """The choice as a JSON object."""
        checks = [finding.as_json() for finding in self.findings]
        return {"profile": self.profile, "why": self.why, "checks": checks}


def _kvm_verdict(findings: Sequence[Finding]) -> str:
    """The verdict of the finding about KVM."""
    return next(finding.verdict for finding in findings if finding.name == "kvm")


def lacks_only_qemu(findings: Sequence[Finding]) -> bool:
    """Whether all checks passed, but KVM could not be tested because QEMU is missing."""
    return all(finding.ok for finding in findings) and _kvm_verdict(findings) == KvmVerdict.NO_QEMU


def choose(virtual: str, findings: Sequence[Finding], fallback: str) -> Choice:
    """The profile ``virtual`` if this host can run it with KVM, else ``fallback``."""
    bad = [f.name for f in findings if not f.ok]
    if _kvm_verdict(findings) != KvmVerdict.USABLE:
        bad.insert(0, "kvm")
    if not bad:
        why = "KVM boots a guest, and all checks passed"
        if virtual in NEVER_SEEN:
            why += f"; but it was never seen to run, and {fallback} was (docs/tested.md)"
        return Choice(virtual, why, (*findings,))
    why = f"{virtual} cannot run here with KVM: {', '.join(dict.fromkeys(bad))}"
    return Choice(fallback, why, (*findings,))
