"""What ``up`` would do, told without doing it."""

from dataclasses import dataclass

from provisioner.artifacts.build import Step
from provisioner.artifacts.catalog import Catalog, FileBuild, GoBuild, PackageBuild
from provisioner.artifacts.plan import ROOT
from provisioner.artifacts.sets import entries_of
from provisioner.lab import cache
from provisioner.phases.artifacts import order_of
from provisioner.phases.base import Context
from provisioner.phases.host import missing_packages, wanted_packages


@dataclass(frozen=True)
class PlanStep:
    """One thing that ``up`` would do; ``state`` says whether it is done already."""

    kind: str
    name: str
    version: str
    source: str
    state: str


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
    where = build.module if isinstance(build, GoBuild) else build.package
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
        steps.append(_artifact(step, entry.is_dir(), catalog))
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
    return steps
