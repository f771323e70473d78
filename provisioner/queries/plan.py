"""The steps of ``up``, without doing them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioner.artifacts.artifact_set import (
    check_files,
    entries_of,
    host_packages_for,
    order_of,
)
from provisioner.artifacts.build import Step
from provisioner.artifacts.image_names import short
from provisioner.artifacts.locking import each, state_of
from provisioner.artifacts.registry_faults import RegistryError
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import ROOT
from provisioner.catalog.model import Component, FetchedBox
from provisioner.context import Context
from provisioner.host_packages import missing_packages, package_manager, wanted_packages
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


def _registries(workshop: Workshop, steps: list[Step]) -> dict[str, PlanStep]:
    """The rows of the images to fetch, by the builds' names, as their registries answer now."""
    sources = {
        s.name: source_of(s.name, workshop) for s in steps if s.name in workshop.catalog.builds
    }
    wanted = {pin: source for source in sources.values() for pin in source.pins()}
    rows = {}
    for pin, answer in each(wanted, lambda pin: state_of(pin, workshop)).items():
        (part,) = wanted[pin].describe()
        digest, state = pin.digest, "to fetch" if pin.digest else "to fetch and to lock"
        if isinstance(answer, RegistryError):
            state = answer.brief.removeprefix(f"{short(pin.reference)}: ")
        else:
            digest = answer
        shown = digest.removeprefix("sha256:")
        rows[part.name] = PlanStep(part.kind, part.name, part.version, part.origin, state, shown)
    return rows


def _whole_images(components: Iterable[Component]) -> set[str]:
    """The steps of images that come as they are: the rows of their builds tell all."""
    return {
        f"image-{name}"
        for component in components
        for name, image in component.images.items()
        if image.archive
    }


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
    """Every step of ``up``, in order: packages of this host, artifacts, machines, cluster.

    Raises:
        SpecError: a new lab is to be made from a file that is wrong, as ``up`` would refuse it.
    """
    spec, workshop = context.spec, context.workshop
    order = order_of(spec, workshop)
    uses = (*host_packages_for(order, workshop), spec.provider.name)
    missing, manager = set(missing_packages(workshop.catalog, uses)), package_manager()
    steps = [
        PlanStep("host", name, "", manager, "to install" if name in missing else "installed")
        for name in wanted_packages(workshop.catalog, uses)
    ]
    if not context.lab.exists:
        check_files(workshop, order)
    entries = entries_of(workshop, order)
    answers = _registries(workshop, [step for step, entry in entries if not entry.is_dir()])
    whole = _whole_images(order.components)
    for step, entry in entries:
        if step.name not in whole:
            made = _made(step, workshop, cached=entry.is_dir())
            steps += [answers.get(row.name, row) for row in made]
    steps += _on_nodes(spec, list(order.components), workshop)
    states = {machine.name: machine.state for machine in context.provider.machines()}
    for node in spec.machines:
        done = "running" if states[node.name] == "running" else "to start"
        size = f"{node.cpus} CPUs, {node.memory_mib} MiB, {node.address}"
        steps.append(PlanStep("machine", node.name, size, spec.provider.name, done))
    reach = context.provider.reach
    steps.append(PlanStep("network", spec.networks.node, "", spec.provider.name, reach))
    return [*steps, *_cluster(spec, workshop)]
