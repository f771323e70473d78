"""The catalogue with a spec's overrides, and what it offers to that spec."""

from collections.abc import Collection
from dataclasses import replace

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.sources import faults_of, source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.catalog.adapt import with_repositories
from provisioner.catalog.compat_facts import conflicts_in, for_system
from provisioner.catalog.load import load_catalog, refusal
from provisioner.lab import cache
from provisioner.model import Choice
from provisioner.spec import Artifacts, LabSpec, Offer


def workshop_of(artifacts: Artifacts) -> Workshop:
    """The catalogue with a spec's overrides and source, the cache, and the download route.

    Raises:
        SpecError: an override does not fit; names its key path.
    """
    catalog = load_catalog(artifacts.overrides)
    # Before `auto` is settled, a spec may ask for what either offers.
    if artifacts.source != "packages":
        catalog = catalog.from_upstream()
    route = DownloadRoute(
        artifacts.mirrors, artifacts.proxy, artifacts.registry_mirror, artifacts.ca_file
    )
    catalog = with_repositories(catalog, lambda url: next(route.urls(url)))
    workshop = Workshop(catalog, cache(), route)
    if faults := list(faults_of(workshop)):
        raise refusal(faults)
    return workshop


def workshop_for(spec: LabSpec) -> Workshop:
    """The same for a whole spec: images have the kind of iptables that the box has.

    Raises:
        SpecError: as ``workshop_of``.
    """
    workshop = workshop_of(spec.artifacts)
    return replace(workshop, catalog=for_system(workshop.catalog, spec))


def offers(artifacts: Artifacts) -> Offer:
    """What the catalogue offers to a spec with these ``artifacts``.

    Raises:
        SpecError: as ``workshop_of``.
    """
    workshop = workshop_of(artifacts)
    catalog = workshop.catalog
    names: dict[str, set[str]] = {}
    for component in catalog.components.values():
        if catalog.is_whole(component):
            # Kubernetes has one name only: a spec chooses it by version.
            word = component.version if component.kind == "kubernetes" else component.name
            names.setdefault(component.kind, set()).add(word)

    def missing(choice: Choice) -> Collection[str]:
        component = catalog.find(choice)
        builds = catalog.builds_of([component]) if component else []
        return [name for name in builds if not source_of(name, workshop).is_given()]

    return Offer(
        components=names,
        boxes=tuple(catalog.boxes),
        missing=missing,
        conflicts=lambda spec: conflicts_in(catalog, spec),
    )
