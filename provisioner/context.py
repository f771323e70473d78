"""The context of phases and queries: one lab, its spec, its provider, its catalogue."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import workshop_for
from provisioner.artifacts.sources.base import Workshop
from provisioner.catalog.model import Catalog
from provisioner.checks.kubectl import Kubectl
from provisioner.errors import LabError
from provisioner.lab import Lab, cache
from provisioner.model import Listener, Node
from provisioner.playbooks import Recap
from provisioner.providers.base import Provider, SnapshotStore
from provisioner.providers.registry import provider_of
from provisioner.shell import Result
from provisioner.spec import LabSpec


@dataclass(frozen=True)
class Context:
    """What a command works on. ``began`` is its start time in seconds since the epoch.

    ``choice`` is why this profile was taken, if nobody named one. ``artifacts`` and ``recap`` are
    results of earlier phases of the same recipe.
    """

    lab: Lab
    spec: LabSpec
    provider: Provider
    listen: Listener
    choice: Mapping[str, object] | None = None
    artifacts: ArtifactSet | None = None
    recap: Recap | None = None
    began: float = field(default_factory=time.time)

    @cached_property
    def workshop(self) -> Workshop:
        """The catalogue with the spec's overrides, the cache, and the download route.

        Raises:
            SpecError: an override does not fit the catalogue.
        """
        return workshop_for(self.spec)

    @property
    def catalog(self) -> Catalog:
        """The catalogue with the spec's overrides.

        Raises:
            SpecError: as ``workshop``.
        """
        return self.workshop.catalog

    @property
    def first_control_plane(self) -> Node:
        """The machine that ran ``kubeadm init``."""
        return next(node for node in self.spec.machines if node.role == "control-plane")

    @property
    def kubectl(self) -> Kubectl:
        """The kubectl of the lab's cluster; it runs on a control plane if the lab is remote."""
        far = self.provider.access.hop
        through = tuple(self.provider.ssh(self.first_control_plane)) if far else ()
        networks = tuple(self.spec.networks.model_dump().values())
        return Kubectl(self.lab.kubectl, self.lab.kubeconfig, through, networks)


def make_context(lab: Lab, spec: LabSpec, listen: Listener = lambda _: None) -> Context:
    """The context of a command on a lab."""
    return Context(lab, spec, provider_of(spec, lab.dir, cache()), listen)


def on_machines(context: Context) -> Callable[[str, list[str]], Result]:
    """Runs a command on a machine of the lab by its name, whatever its exit code is."""
    by_name = {node.name: node for node in context.spec.machines}
    return lambda name, argv: context.provider.exec(by_name[name], argv, check=False)


def snapshots_of(context: Context) -> SnapshotStore:
    """The snapshots of a lab.

    Raises:
        LabError: the lab's provider does not support snapshots.
    """
    found = context.provider.snapshots
    if found is None:
        why = f"The provider {context.provider.name} does not support them."
        hint = "Use another provider for that; `kubelab stop` keeps the disks of this lab."
        raise LabError(f"lab {context.lab.name} has no snapshots", why, hint)
    return found
