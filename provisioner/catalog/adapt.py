"""The catalogue as the nodes of one spec need it: their kind of iptables, their mirrors."""

from collections.abc import Callable, Iterable

from provisioner.catalog.model import Catalog, Component, Layer, Repository

# The kind of iptables that images of the catalogue have; a system may need another.
DEFAULT_IPTABLES = "nft"
PROGRAM = "xtables-{}-multi"


def with_iptables(catalog: Catalog, kind: str) -> Catalog:
    """The catalogue whose layers have the iptables of a kind: nft or legacy."""
    own, wanted = PROGRAM.format(DEFAULT_IPTABLES), PROGRAM.format(kind)

    def changed(layer: Layer) -> Layer:
        links = {name: wanted if to == own else to for name, to in layer.links.items()}
        return layer.model_copy(update={"links": links})

    layers = {name: changed(layer) for name, layer in catalog.layers.items()}
    return catalog.model_copy(update={"layers": layers})


def iptables_of(catalog: Catalog, components: Iterable[Component]) -> str:
    """The kind of iptables in images that are made here; empty if none has one."""
    layers = {x for c in components for image in c.images.values() for x in image.layers}
    links = {to for name in layers for to in catalog.layers[name].links.values()}
    kinds = (kind for kind in ("legacy", "nft") if PROGRAM.format(kind) in links)
    return next(kinds, "")


def with_repositories(catalog: Catalog, place: Callable[[str], str]) -> Catalog:
    """The catalogue whose repositories of packages, and their keys, are where ``place`` says.

    A node has the mirror alone: a package manager picks among several places as it likes.
    """

    def moved(found: Repository) -> Repository:
        return found.model_copy(update={"url": place(found.url), "key": place(found.key)})

    def changed(component: Component) -> Component:
        groups = {
            family: {name: moved(found) for name, found in group.items()}
            for family, group in component.repositories.items()
        }
        return component.model_copy(update={"repositories": groups})

    components = {key: changed(component) for key, component in catalog.components.items()}
    return catalog.model_copy(update={"components": components})
