"""Phases that make, stop and remove machines."""

import shutil
from pathlib import Path

from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.model import MachineImage
from provisioner.phases.artifacts import built
from provisioner.phases.base import Done, Phase

# Where machines see all artifact sets, also those that are made while they run.
SETS_ON_NODES = "/var/lib/kubelab/sets"


def image_of(context: Context) -> MachineImage:
    """What the artifacts of a lab make machines from.

    Raises:
        LabError: they were not built.
    """
    found = built(context)
    path = found.box or found.machine_root
    if path is None:
        raise LabError("no image for machines", "", "Run `kubelab artifacts build` first.")
    # The entry's name has the content key: another content is another box to vagrant.
    name = path.parent.name.replace("@", "-")
    mounts = {found.folder.parent: SETS_ON_NODES}
    return MachineImage(name, path, mounts, found.docker_store)


def set_on_nodes(folder: Path) -> str:
    """Where machines that see folders of this host have the set that is in ``folder`` here."""
    return f"{SETS_ON_NODES}/{folder.name}"


class SaveSpec(Phase):
    """Keep the resolved spec: from here on the lab exists, and destroy finds what it made."""

    key = "spec"
    title = "Spec"

    def needed(self, context: Context) -> bool:
        """Whether the lab is new, or its spec is another one."""
        if not context.lab.exists:
            return True
        return context.lab.spec_file.read_text() != context.lab.spec_text(context.spec)

    def run(self, context: Context) -> Done:
        """Write it."""
        context.lab.prepare()
        context.lab.save_spec(context.spec)
        return Done(str(context.lab.spec_file))


class CreateMachines(Phase):
    """Bring every machine up, until it answers SSH; one that runs is only asked."""

    key = "machines"
    title = "Machines"

    def run(self, context: Context) -> Done:
        """Create or start them.

        Raises:
            LabError: a machine did not come up.
        """
        image, provider = image_of(context), context.provider
        if built(context).box is not None:
            context.lab.box.unlink(missing_ok=True)
            context.lab.box.symlink_to(image.path)
        before = {m.name for m in provider.machines() if m.state == "running"}
        provider.create(context.spec.machines, image, context.listen)
        started = len(context.spec.nodes) - len(before)
        return Done(f"{started} started" if started else f"{len(before)} running")


class DestroyMachines(Phase):
    """Remove the machines, their network and the lab's files, also what a killed run left."""

    key = "destroy"
    title = "Destroy"

    def run(self, context: Context) -> Done:
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
        return Done(f"lab {context.lab.name} is gone")


class StopMachines(Phase):
    """Shut every machine down; disks and state stay."""

    key = "stop"
    title = "Stop"

    def needed(self, context: Context) -> bool:
        """Whether one runs, or is only paused."""
        return any(m.state in ("running", "paused") for m in context.provider.machines())

    def run(self, context: Context) -> Done:
        """Stop the workers first: the control plane is there for them until they are gone."""
        for role in ("worker", "control-plane"):
            nodes = [node for node in context.spec.machines if node.role == role]
            context.provider.stop(nodes, context.listen)
        return Done(f"{len(context.spec.nodes)} stopped")
