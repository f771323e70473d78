"""What ``up`` would do, told without doing it."""

from dataclasses import dataclass

from provisioner.artifacts.artifact_set import entries_of
from provisioner.artifacts.build import Step
from provisioner.artifacts.steps import ROOT
from provisioner.catalog.builds import (
    Download,
    FetchedBox,
    FileBuild,
    GoBuild,
    PackageBuild,
    PypiBuild,
    UpstreamBuild,
)
from provisioner.catalog.load import Catalog
from provisioner.lab import cache
from provisioner.phases.artifacts import order_of
from provisioner.phases.base import Context
from provisioner.phases.host import missing_packages, wanted_packages
from provisioner.spec import NO_DASHBOARD, LabSpec, VagrantOptions


@dataclass(frozen=True)
class PlanStep:
    """One thing that ``up`` would do; ``state`` says whether it is done already.

    ``sha256`` is of a file that is fetched: empty where a spec has to give it before ``up``.
    """

    kind: str
    name: str
    version: str
    source: str
    state: str
    sha256: str = ""


def _download(kind: str, name: str, version: str, file: Download, cached: bool) -> PlanStep:
    state = "cached" if cached else "to fetch" if file.sha256 else "SHA-256 missing"
    return PlanStep(kind, name, version, file.url, state, file.sha256)


def _fetched(step: Step, cached: bool, catalog: Catalog) -> list[PlanStep]:
    """The downloads of a step; none where it is built here."""
    box = catalog.boxes.get(step.name.removeprefix("box-"))
    if isinstance(box, FetchedBox):
        return [_download("box", box.name, box.version, box.file, cached)]
    build = catalog.builds.get(step.name)
    if not isinstance(build, UpstreamBuild):
        return []
    return [
        _download("file", f"{step.name}/{name}", build.version, file, cached)
        for name, file in build.files.items()
    ]


def _on_nodes(spec: LabSpec, catalog: Catalog) -> list[PlanStep]:
    """The packages that roles install at versions of the catalogue; yum checks who signed them."""
    if not isinstance(spec.provider, VagrantOptions):
        return []
    box = catalog.boxes[spec.provider.box.name]
    pinned = catalog.node_packages.get(box.os) if isinstance(box, FetchedBox) else None
    if pinned is None:
        return []
    repositories = [
        PlanStep("repository", name, "", found.url, f"signed with {found.key}")
        for name, found in pinned.repositories.items()
    ]
    packages = [
        PlanStep("package", name, version, "docker-ce", "on every node")
        for name, version in pinned.docker.items()
    ]
    return repositories + packages


def _artifact(step: Step, cached: bool, catalog: Catalog) -> PlanStep:
    state = "cached" if cached else "to build"
    if step.name.startswith("box-"):
        return PlanStep("box", step.name, "", "debian", state)
    build = catalog.builds.get(step.name)
    if step.name == ROOT:
        return PlanStep("root", ROOT, catalog.machine_root.suite, "debian", state)
    if build is None:
        return PlanStep("image" if "image-" in step.name else "layer", step.name, "", "", state)
    if isinstance(build, PackageBuild):
        return PlanStep("packages", step.name, ", ".join(build.packages), "debian", state)
    if isinstance(build, FileBuild):
        return PlanStep("file", step.name, f"sha256 {build.sha256[:12]}", str(build.path), state)
    if isinstance(build, PypiBuild):
        number = f"{len(catalog.python_locks[build.lock])} wheels"
        return PlanStep("wheels", step.name, number, "pypi", state)
    where = build.module if isinstance(build, GoBuild) else getattr(build, "package", "")
    return PlanStep("build", step.name, build.version, f"{build.source}: {where}", state)


def plan_of(context: Context) -> list[PlanStep]:
    """Every step of ``up``, in order: packages of this host, artifacts, machines, cluster."""
    spec, catalog = context.spec, context.catalog
    missing = set(missing_packages(context))
    steps = [
        PlanStep("host", name, "", "debian", "to install" if name in missing else "installed")
        for name in wanted_packages(context)
    ]
    for step, entry in entries_of(catalog, order_of(spec), cache()):
        fetched = _fetched(step, entry.is_dir(), catalog)
        steps += fetched or [_artifact(step, entry.is_dir(), catalog)]
    steps += _on_nodes(spec, catalog)
    states = {machine.name: machine.state for machine in context.provider.machines()}
    for node in spec.machines:
        done = "running" if states[node.name] == "running" else "to start"
        size = f"{node.cpus} CPUs, {node.memory_mib} MiB, {node.address}"
        steps.append(PlanStep("machine", node.name, size, spec.provider.name, done))
    for node in spec.machines:
        verb = "kubeadm init" if node.role == "control-plane" else "kubeadm join"
        version = f"v{spec.kubernetes.version}"
        steps.append(PlanStep("cluster", node.name, version, verb, "as the node says"))
    steps.append(PlanStep("cluster", spec.cni.name, spec.networks.pod, "pod network", "applied"))
    page = spec.dashboard
    if page.name != NO_DASHBOARD:
        steps.append(PlanStep("cluster", page.name, page.exposure, "dashboard", "applied"))
    return steps
