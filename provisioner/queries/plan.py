"""The steps of ``up``, without doing them."""

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.artifacts.artifact_set import entries_of, order_of
from provisioner.artifacts.build import Step
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import ROOT
from provisioner.catalog.model import Component, FetchedBox
from provisioner.context import Context
from provisioner.host_packages import missing_packages, wanted_packages
from provisioner.model import Choice
from provisioner.spec import LabSpec


@dataclass(frozen=True)
class PlanStep:
    """One step of ``up``; ``state`` says whether it is already done.

    ``sha256`` is the checksum of a file to fetch; it is empty if a spec has to give it first.
    """

    kind: str
    name: str
    version: str
    source: str
    state: str
    sha256: str = ""


def _fetched(kind: str, name: str, version: str, url: str, sum_: str, *, cached: bool) -> PlanStep:
    state = "cached" if cached else "to fetch" if sum_ else "SHA-256 missing"
    return PlanStep(kind, name, version, url, state, sum_)


def _made(step: Step, workshop: Workshop, *, cached: bool) -> list[PlanStep]:
    """The rows of the plan for one build step."""
    catalog, state = workshop.catalog, "cached" if cached else "to build"
    if step.name in catalog.builds:
        return [
            PlanStep(part.kind, part.name, part.version, part.origin, state)
            if part.sha256 is None
            else _fetched(
                part.kind, part.name, part.version, part.origin, part.sha256, cached=cached
            )
            for part in source_of(step.name, workshop).describe()
        ]
    if step.name == ROOT:
        return [PlanStep("root", ROOT, catalog.machine_root.suite, "debian", state)]
    if step.name.startswith("box-"):
        box = catalog.boxes.get(step.name.removeprefix("box-"))
        if isinstance(box, FetchedBox):
            file = box.file
            return [_fetched("box", box.name, box.version, file.url, file.sha256, cached=cached)]
        return [PlanStep("box", step.name, "", "debian", state)]
    return [PlanStep("image" if "image-" in step.name else "layer", step.name, "", "", state)]


def _on_nodes(spec: LabSpec, components: list[Component], workshop: Workshop) -> Iterator[PlanStep]:
    """The packages that roles install in versions of the catalogue; yum verifies signatures."""
    box = workshop.catalog.boxes.get(spec.provider.box.name) if spec.provider.box else None
    if not isinstance(box, FetchedBox):
        return
    for component in components:
        for name, found in component.repositories.get(box.family, {}).items():
            yield PlanStep("repository", name, "", found.url, f"signed with {found.key}")
        for name, version in component.packages.get(box.family, {}).items():
            yield PlanStep("package", name, version, component.name, "on every node")


# Kinds of components that are applied to the running cluster, and their names in ``plan``.
APPLIED = {"cni": "pod network", "dashboard": "dashboard", "addon": "addon"}


def _detail(choice: Choice, component: Component, spec: LabSpec) -> str:
    """The detail of an applied component: pod network, exposure, or version."""
    if choice.kind == "cni":
        return spec.networks.pod
    return spec.dashboard.exposure if choice.kind == "dashboard" else component.version


def _cluster(spec: LabSpec, workshop: Workshop) -> Iterator[PlanStep]:
    for node in spec.machines:
        verb = "kubeadm init" if node.role == "control-plane" else "kubeadm join"
        version = f"v{spec.kubernetes.version}"
        yield PlanStep("cluster", node.name, version, verb, "as the node says")
    for choice in spec.choices:
        component = workshop.catalog.find(choice)
        if component and choice.kind in APPLIED:
            detail = _detail(choice, component, spec)
            yield PlanStep("cluster", component.name, detail, APPLIED[choice.kind], "applied")


def plan_of(context: Context) -> list[PlanStep]:
    """Every step of ``up``, in order: packages of this host, artifacts, machines, cluster."""
    spec, workshop = context.spec, context.workshop
    uses = ("build", spec.provider.name)
    missing = set(missing_packages(workshop.catalog, uses))
    steps = [
        PlanStep("host", name, "", "debian", "to install" if name in missing else "installed")
        for name in wanted_packages(workshop.catalog, uses)
    ]
    order = order_of(spec, workshop)
    for step, entry in entries_of(workshop, order):
        steps += _made(step, workshop, cached=entry.is_dir())
    steps += _on_nodes(spec, list(order.components), workshop)
    states = {machine.name: machine.state for machine in context.provider.machines()}
    for node in spec.machines:
        done = "running" if states[node.name] == "running" else "to start"
        size = f"{node.cpus} CPUs, {node.memory_mib} MiB, {node.address}"
        steps.append(PlanStep("machine", node.name, size, spec.provider.name, done))
    return [*steps, *_cluster(spec, workshop)]
