"""Phases that make, stop and remove machines."""

import shutil
from dataclasses import dataclass
from ipaddress import IPv4Network

from provisioner.artifacts.catalog import load_catalog
from provisioner.errors import LabError
from provisioner.lab import Lab
from provisioner.model import Listener
from provisioner.phases.base import Context
from provisioner.providers.base import Provider
from provisioner.providers.machine import MachineProvider
from provisioner.spec import LabSpec

# Where machines see all artifact sets, also those that are made while they run.
SETS_ON_NODES = "/var/lib/kubelab/sets"


def make_provider(lab: Lab, spec: LabSpec) -> MachineProvider:
    """The provider of a lab, as its spec says."""
    return MachineProvider(
        lab=spec.name,
        folder=lab.dir,
        nodes=spec.machines,
        network=IPv4Network(spec.networks.node),
        inside=(IPv4Network(spec.networks.pod), IPv4Network(spec.networks.service)),
        nat=spec.provider.nat,
    )


def make_context(lab: Lab, spec: LabSpec, listen: Listener) -> Context:
    """The context of a command on a lab."""
    provider: Provider = make_provider(lab, spec)
    return Context(lab, spec, load_catalog(spec.artifacts.overrides), provider, listen)


@dataclass
class SaveSpec:
    """Keep the resolved spec: from here on the lab exists, and destroy finds what it made."""

    key: str = "spec"
    title: str = "Spec"

    def needed(self, context: Context) -> bool:
        """Whether the lab is new, or grew."""
        if not context.lab.exists:
            return True
        return context.lab.spec_file.read_text() != context.lab.spec_text(context.spec)

    def run(self, context: Context) -> str:
        """Write it."""
        context.lab.prepare()
        context.lab.save_spec(context.spec)
        return str(context.lab.spec_file)


@dataclass
class CreateMachines:
    """Bring every machine up, until it answers SSH."""

    key: str = "machines"
    title: str = "Machines"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: a machine that runs is only asked whether it answers."""
        return True

    def run(self, context: Context) -> str:
        """Create or start them.

        Raises:
            LabError: a machine did not come up.
        """
        provider = make_provider(context.lab, context.spec)
        if context.artifacts is not None:
            provider.root = context.artifacts.machine_root
            provider.mounts = {context.artifacts.folder.parent: SETS_ON_NODES}
        context.provider = provider
        before = {m.name for m in provider.machines() if m.state == "running"}
        provider.create(context.spec.machines, context.listen)
        started = len(context.spec.nodes) - len(before)
        return f"{started} started" if started else f"{len(before)} running"


@dataclass
class DestroyMachines:
    """Remove the machines, their network and the lab's files."""

    key: str = "destroy"
    title: str = "Destroy"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: what a killed run left may be known to the provider alone."""
        return True

    def run(self, context: Context) -> str:
        """Destroy them, then the lab's folder.

        Raises:
            LabError: something would not go.
        """
        context.provider.destroy(context.listen)
        shutil.rmtree(context.lab.dir, ignore_errors=True)
        if context.lab.dir.exists():
            raise LabError(
                f"{context.lab.dir} could not be removed whole",
                "Something in it is mounted or held open.",
                f"Look with `lsof +D {context.lab.dir}`, then run `kubelab destroy` again.",
            )
        return f"lab {context.lab.name} is gone"
