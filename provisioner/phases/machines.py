"""Phases that make, stop and remove machines."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from provisioner.catalog.compat_facts import facts_of
from provisioner.catalog.load import catalog_of
from provisioner.errors import LabError
from provisioner.lab import Lab, cache
from provisioner.model import Listener, MachineImage
from provisioner.phases.base import Context
from provisioner.providers.registry import provider_of
from provisioner.spec import LabSpec

# Where machines see all artifact sets, also those that are made while they run.
SETS_ON_NODES = "/var/lib/kubelab/sets"


def make_context(lab: Lab, spec: LabSpec, listen: Listener) -> Context:
    """The context of a command on a lab."""
    catalog = catalog_of(spec.artifacts)
    python = facts_of(catalog, spec).get("python", "")
    return Context(lab, spec, catalog, provider_of(spec, lab.dir, cache(), python), listen)


def image_of(context: Context) -> MachineImage:
    """What the artifacts of a lab make machines from.

    Raises:
        LabError: they were not built.
    """
    found = context.artifacts
    path = (found.box or found.machine_root) if found else None
    if found is None or path is None:
        raise LabError("no image for machines", "", "Run `kubelab artifacts build` first.")
    # The entry's name has the content key: another content is another box to vagrant.
    name = path.parent.name.replace("@", "-")
    return MachineImage(name, path, {found.folder.parent: SETS_ON_NODES})


def set_on_nodes(folder: Path) -> str:
    """Where machines that see folders of this host have the set that is in ``folder`` here."""
    return f"{SETS_ON_NODES}/{folder.name}"


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
        provider, image = context.provider, image_of(context)
        if context.artifacts is not None and context.artifacts.box is not None:
            context.lab.box.unlink(missing_ok=True)
            context.lab.box.symlink_to(context.artifacts.box)
        before = {m.name for m in provider.machines() if m.state == "running"}
        provider.create(context.spec.machines, image, context.listen)
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
