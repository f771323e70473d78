"""The facts about a spec's combination of versions, and the rules of ``compat`` that it breaks."""

from collections.abc import Iterator
from importlib.metadata import version

from packaging.version import Version

from provisioner.catalog.adapt import DEFAULT_IPTABLES, with_iptables
from provisioner.catalog.model import Catalog, FetchedBox
from provisioner.compat import OSES, SUITES, conflicts_of, follows
from provisioner.spec import LabSpec, SpecFault, Weave

# The spec's key for a fact. All other facts depend on the version of Kubernetes.
KEYS = {
    "runtime": "runtime.name",
    "weave": "cni.name",
    "weave_iptables": "cni.iptables_backend",
    "cni_plugin": "cni.name",
    "kubernetes-dashboard": "dashboard.name",
}


def _box_facts(catalog: Catalog, spec: LabSpec) -> dict[str, str]:
    """The facts of the box's system; none for machine containers, which use the host's kernel."""
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
    """All known facts about the combination that a spec asks for."""
    facts = {"ansible_core": version("ansible-core")}
    for choice in spec.choices:
        component = catalog.find(choice)
        facts[choice.name] = component.version if component else choice.version
        if component and component.kind == "kubernetes":
            facts |= {key: str(value) for key, value in component.settings.items()}
            coredns = component.images.get("coredns")
            facts |= {"coredns": coredns.tag} if coredns else {}
        if component and component.kind == "cni" and "cni_versions" in component.settings:
            facts["cni_plugin"] = min(component.settings["cni_versions"], key=Version)
    if isinstance(spec.cni, Weave):
        facts["weave_iptables"] = spec.cni.iptables_backend
    return {**facts, "runtime": spec.runtime.name, **_box_facts(catalog, spec)}


def for_system(catalog: Catalog, spec: LabSpec) -> Catalog:
    """The catalogue whose images write rules of the kind that the spec's nodes have."""
    kind = _box_facts(catalog, spec).get("iptables", DEFAULT_IPTABLES)
    return with_iptables(catalog, kind)


def conflicts_in(catalog: Catalog, spec: LabSpec) -> Iterator[SpecFault]:
    """Every reason why a spec cannot work, each with the key to change."""
    try:
        follows(spec.kubernetes.version)
    except ValueError:
        # Not a version number: the rules of the spec report that already.
        return
    facts = facts_of(catalog, spec)
    offered = [c.version for c in catalog.of_kind("kubernetes") if catalog.is_whole(c)]
    for conflict in conflicts_of(facts, offered):
        fact = conflict.rule.fact
        yield KEYS.get(fact, "kubernetes.version"), facts[fact], str(conflict)
    yield from _without_a_version(catalog, spec)
    yield from _between_components(catalog, spec)
    wanted = spec.provider.box
    if wanted and wanted.baked and isinstance(catalog.boxes.get(wanted.name), FetchedBox):
        why = "a fetched box cannot be baked: use false"
        yield "provider.box.baked", True, why


def _without_a_version(catalog: Catalog, spec: LabSpec) -> Iterator[SpecFault]:
    """The chosen components of which no version is for the spec's Kubernetes."""
    for choice in spec.choices:
        same = [c for c in catalog.of_kind(choice.kind) if c.name == choice.name and c.kubernetes]
        if same and catalog.find(choice) is None:
            have = ", ".join(f"{c.version} for {c.kubernetes}" for c in same)
            why = f"no version of it is for Kubernetes {choice.kubernetes}, there is {have}"
            yield choice.key, choice.name, f"{why}: use another version of Kubernetes"


def _between_components(catalog: Catalog, spec: LabSpec) -> Iterator[SpecFault]:
    """Unmet ``requires`` and ``conflicts`` between the chosen components."""
    found = [(choice, component) for choice in spec.choices if (component := catalog.find(choice))]
    chosen = [component for _, component in found]
    for choice, component in found:
        for reference in component.requires:
            if not any(other.is_meant_by(reference) for other in chosen):
                yield choice.key, component.name, f"requires {reference}: choose it as well"
        for reference in component.conflicts:
            beside = [c.name for c in chosen if c.is_meant_by(reference) and c is not component]
            for other in beside:
                yield choice.key, component.name, f"conflicts with {other}: choose one of the two"
