"""Phases that make, stop and remove machines."""

import shutil
from dataclasses import dataclass
from ipaddress import IPv4Network

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.catalog.load import catalog_of
from provisioner.errors import LabError
from provisioner.lab import Lab, cache
from provisioner.model import Listener
from provisioner.phases.base import Context
from provisioner.providers.base import Provider
from provisioner.providers.libvirt.provider import VagrantProvider
from provisioner.providers.nspawn.provider import MachineProvider
from provisioner.render import BoxFile
from provisioner.spec import LabSpec, VagrantOptions

# Where machines see all artifact sets, also those that are made while they run.
SETS_ON_NODES = "/var/lib/kubelab/sets"


def make_provider(lab: Lab, spec: LabSpec, artifacts: ArtifactSet | None = None) -> Provider:
    """The provider of a lab, as its spec says; with ``artifacts`` it can create machines."""
    nodes, network = spec.machines, IPv4Network(spec.networks.node)
    if isinstance(spec.provider, VagrantOptions):
        vagrant = VagrantProvider(spec.name, lab.dir, nodes, network, spec.provider)
        vagrant.vagrant_home = cache() / "vagrant"
        if artifacts is not None and artifacts.box is not None:
            # The entry's name has the content key: another content is another box to vagrant.
            name = artifacts.box.parent.name.replace("@", "-")
            vagrant.box = BoxFile(f"kubelab/{name}", artifacts.box.as_uri())
        return vagrant
    inside = (IPv4Network(spec.networks.pod), IPv4Network(spec.networks.service))
    machine = MachineProvider(spec.name, lab.dir, nodes, network, inside, spec.provider.nat)
    if artifacts is not None:
        machine.root = artifacts.machine_root
        machine.docker_store = artifacts.docker_store
        machine.mounts = {artifacts.folder.parent: SETS_ON_NODES}
    return machine


def make_context(lab: Lab, spec: LabSpec, listen: Listener) -> Context:
    """The context of a command on a lab."""
    provider = make_provider(lab, spec)
    return Context(lab, spec, catalog_of(spec.artifacts), provider, listen)


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
        provider = make_provider(context.lab, context.spec, context.artifacts)
        context.provider = provider
        if context.artifacts is not None and context.artifacts.box is not None:
            context.lab.box.unlink(missing_ok=True)
            context.lab.box.symlink_to(context.artifacts.box)
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


@dataclass
class StopMachines:
    """Shut every machine down; disks and state stay."""

    key: str = "stop"
    title: str = "Stop"

    def needed(self, context: Context) -> bool:
        """Whether one runs, or is only paused."""
        return any(m.state in ("running", "paused") for m in context.provider.machines())

    def run(self, context: Context) -> str:
        """Stop the workers first: the control plane is there for them until they are gone."""
        for role in ("worker", "control-plane"):
            nodes = [node for node in context.spec.machines if node.role == role]
            context.provider.stop(nodes, context.listen)
        return f"{len(context.spec.nodes)} stopped"
