"""What is known of the combination that a spec asks for: facts for ``compat``, and its verdict."""

from collections.abc import Iterator
from importlib.metadata import version

from provisioner.catalog.model import Catalog, FetchedBox
from provisioner.compat import OSES, SUITES, conflicts_of, follows
from provisioner.spec import LabSpec, SpecFault

# The key of a spec that chooses a fact; all else follows from the version of Kubernetes.
KEYS = {"runtime": "runtime.name", "weave": "cni.name"}


def _of_the_box(catalog: Catalog, spec: LabSpec) -> dict[str, str]:
    """What the machines are; nothing of machine containers, which share this host's kernel."""
    box = catalog.boxes.get(spec.provider.box.name) if spec.provider.box else None
    if box is None:
        return {}
    if not isinstance(box, FetchedBox):
        os = SUITES.get(box.suite, "")
        return {"os": os, **OSES.get(os, {})}
    found = {"os": box.os, **OSES.get(box.os, {})}
    for runtime in catalog.of_kind("runtime"):
        pinned = runtime.packages.get(box.family, {}).get("docker-ce", "")
        found |= {"docker": pinned.partition("-")[0]} if pinned else {}
    return found


def facts_of(catalog: Catalog, spec: LabSpec) -> dict[str, str]:
    """All that is known of the combination that a spec asks for."""
    facts = {"ansible_core": version("ansible-core")}
    for choice in spec.choices:
        component = catalog.find(choice)
        facts[choice.name] = component.version if component else choice.version
        if component and component.kind == "kubernetes":
            facts |= {key: str(value) for key, value in component.settings.items()}
            coredns = component.images.get("coredns")
            facts |= {"coredns": coredns.tag} if coredns else {}
    return {**facts, "runtime": spec.runtime.name, **_of_the_box(catalog, spec)}


def conflicts_in(catalog: Catalog, spec: LabSpec) -> Iterator[SpecFault]:
    """Every reason why a spec cannot work, by the key to change."""
    try:
        follows(spec.kubernetes.version)
    except ValueError:
        # No version at all: the catalogue has said so.
        return
    facts = facts_of(catalog, spec)
    offered = [c.version for c in catalog.of_kind("kubernetes") if catalog.is_whole(c)]
    for conflict in conflicts_of(facts, offered):
        fact = conflict.rule.fact
        yield KEYS.get(fact, "kubernetes.version"), facts[fact], str(conflict)
    yield from _between_components(catalog, spec)
    wanted = spec.provider.box
    if wanted and wanted.baked and isinstance(catalog.boxes.get(wanted.name), FetchedBox):
        why = "a box that is fetched comes as it is: use false"
        yield "provider.box.baked", True, why


def _between_components(catalog: Catalog, spec: LabSpec) -> Iterator[SpecFault]:
    """What one chosen component wants of the others, or does not stand beside."""
    found = [(choice, component) for choice in spec.choices if (component := catalog.find(choice))]
    chosen = [component for _, component in found]
    for choice, component in found:
        for reference in component.requires:
            if not any(other.is_meant_by(reference) for other in chosen):
                yield choice.key, component.name, f"requires {reference}: choose that, too"
        for reference in component.conflicts:
            beside = [c.name for c in chosen if c.is_meant_by(reference) and c is not component]
            for other in beside:
                yield choice.key, component.name, f"conflicts with {other}: choose one of the two"
