"""What of the catalogue's offer does not go together in a spec: facts for ``compat``."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from provisioner.catalog.builds import FetchedBox
from provisioner.compat import OSES, SUITES, conflicts_of, follows
from provisioner.spec import Fault, LabSpec, VagrantOptions

if TYPE_CHECKING:
    from provisioner.catalog.load import Catalog

# The key of a spec that chooses a fact; all else follows from the version of Kubernetes.
KEYS = {"runtime": "runtime.name", "weave": "cni.name"}


def _of_the_box(catalog: "Catalog", spec: LabSpec) -> dict[str, str]:
    """What the machines are; nothing of machine containers, which share this host's kernel."""
    if not isinstance(spec.provider, VagrantOptions):
        return {}
    box = catalog.boxes.get(spec.provider.box.name)
    if box is None:
        return {}
    os = box.os if isinstance(box, FetchedBox) else SUITES.get(box.suite, "")
    pinned = catalog.node_packages.get(os)
    docker = {"docker": pinned.docker["docker-ce"].partition("-")[0]} if pinned else {}
    return {"os": os, **OSES.get(os, {}), **docker}


def facts_of(catalog: "Catalog", spec: LabSpec) -> dict[str, str]:
    """All that is known of the combination that a spec asks for."""
    wanted = spec.kubernetes.version
    facts = {
        **_of_the_box(catalog, spec),
        "kubernetes": wanted,
        "runtime": spec.runtime.name,
        "ansible_core": version("ansible-core"),
    }
    if spec.cni.name == "weave":
        facts["weave"] = catalog.cni["weave"].images["weave-kube"].tag
    bundle = catalog.kubernetes.get(wanted)
    if bundle is None:
        return facts
    coredns = bundle.images.get("coredns")
    own = {"kubeadm_api": bundle.kubeadm_api, "cri": bundle.cri}
    return {**facts, **own, **({"coredns": coredns.tag} if coredns else {})}


def judge(catalog: "Catalog", spec: LabSpec) -> Iterator[Fault]:
    """Every reason why a spec cannot work, by the key to change."""
    try:
        follows(spec.kubernetes.version)
    except ValueError:
        # No version at all: the catalogue has said so.
        return
    facts = facts_of(catalog, spec)
    for conflict in conflicts_of(facts, catalog.offered):
        fact = conflict.rule.fact
        yield KEYS.get(fact, "kubernetes.version"), facts[fact], str(conflict)
    if isinstance(spec.provider, VagrantOptions) and spec.provider.box.baked:
        box = catalog.boxes.get(spec.provider.box.name)
        if isinstance(box, FetchedBox):
            why = "a box that is fetched comes as it is: use false"
            yield "provider.box.baked", True, why
