"""Whether this host can run a lab, and which profile it is then, where nobody named one."""

from dataclasses import dataclass

from provisioner.artifacts.artifact_set import entries_of
from provisioner.artifacts.reachability import Reach
from provisioner.catalog.builds import FetchedBox, UpstreamBuild
from provisioner.catalog.load import builds_of
from provisioner.host_questions import put
from provisioner.lab import cache
from provisioner.model import Finding
from provisioner.phases.artifacts import order_of
from provisioner.phases.base import Context
from provisioner.phases.host import InstallHostPackages
from provisioner.providers.libvirt.preflight import NO_QEMU
from provisioner.spec import VagrantOptions


def is_cached(context: Context) -> bool:
    """Whether nothing has to be fetched or built any more for a lab."""
    steps = entries_of(context.catalog, order_of(context.spec), cache())
    return all(entry.is_dir() for _, entry in steps)


def _published(context: Context, *, cached: bool) -> dict[str, list[str]]:
    """The URLs of publishers that a lab will ask for, by the name of the question about them.

    Files that are in the cache are not asked for any more; nodes fetch their packages each time.
    """
    catalog, found = context.catalog, {}
    builds = (catalog.builds[name] for name in dict.fromkeys(builds_of(catalog, context.bundles)))
    fetched = [build for build in builds if isinstance(build, UpstreamBuild)]
    found["source-files"] = [file.url for build in fetched for file in build.files.values()]
    if isinstance(context.spec.provider, VagrantOptions):
        box = catalog.boxes[context.spec.provider.box.name]
        if isinstance(box, FetchedBox):
            found["source-box"] = [box.file.url]
            offered = catalog.node_packages[box.os].repositories.values()
            found["source-packages"] = [offer.index for offer in offered]
    if cached:
        found = {"source-packages": found.get("source-packages", [])}
    return {name: urls for name, urls in found.items() if urls}


def doctor_of(context: Context) -> list[Finding]:
    """Every question to the host: the provider's, and whether the sources of artifacts answer."""
    local = next((kind.path for kind in context.catalog.toolchains.values() if kind.path), None)
    cached = is_cached(context)
    published = _published(context, cached=cached)
    suite, way = context.catalog.machine_root.suite, context.catalog.way
    reach = Reach(suite, local, cached, published, way)
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


def _kvm(findings: list[Finding]) -> str:
    return next(finding.detail for finding in findings if finding.name == "kvm")


def choose(virtual: Context, fallback: str) -> Choice:
    """The lab of virtual machines where this host can run it by KVM, else ``fallback``.

    Where nothing but QEMU is missing to ask KVM, the host packages are installed and it is asked.

    Raises:
        CommandError: they could not be installed.
    """
    assert isinstance(virtual.spec.provider, VagrantOptions)
    findings = doctor_of(virtual)
    if all(f.ok for f in findings) and _kvm(findings).startswith(NO_QEMU):
        InstallHostPackages().run(virtual)
        findings = doctor_of(virtual)
    bad = [f.name for f in findings if not f.ok]
    if not _kvm(findings).startswith("usable"):
        bad.insert(0, "kvm")
    if not bad:
        return Choice(virtual.spec.name, "KVM boots a guest, and all else is well", (*findings,))
    why = f"{virtual.spec.name} cannot run here by KVM: {', '.join(dict.fromkeys(bad))}"
    return Choice(fallback, why, (*findings,))
