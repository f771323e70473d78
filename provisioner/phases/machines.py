"""Phases that create, stop and remove machines."""

import json
from pathlib import Path

from provisioner.catalog.model import FetchedBox
from provisioner.context import Context
from provisioner.errors import LabError, SpecError
from provisioner.model import MachineImage, PublishedBox
from provisioner.phases.artifacts import built
from provisioner.phases.base import Done, Phase

# The mount point of all artifact sets in machines, including sets that are made later.
SETS_ON_NODES = "/var/lib/kubelab/sets"


def _published(context: Context) -> PublishedBox | None:
    """Where the lab's box is from, if it is a publisher's and this catalogue still has it."""
    choice = context.spec.provider.box
    try:
        box = context.catalog.boxes.get(choice.name) if choice else None
    except SpecError:
        # The lab is of another version. Its machines start without this.
        return None
    if not isinstance(box, FetchedBox):
        return None
    return PublishedBox(box.name, box.version, box.file.url, box.file.sha256)


def image_of(context: Context) -> MachineImage:
    """The image that new machines of a lab are made from.

    Raises:
        LabError: no phase built it.
    """
    found = built(context)
    path = found.box or found.machine_root
    if path is None:
        raise LabError("no image for machines", "", "Run `kubelab artifacts build` first.")
    # The entry's name contains the content key, so vagrant sees changed content as a new box.
    name = path.parent.name.replace("@", "-")
    mounts = {found.folder.parent: SETS_ON_NODES}
    return MachineImage(name, path, mounts, found.docker_store, _published(context))


def set_on_nodes(folder: Path) -> str:
    """The path in machines of the set in ``folder``, for machines that mount host folders."""
    return f"{SETS_ON_NODES}/{folder.name}"


class SaveSpec(Phase):
    """Save the resolved spec. From here on the lab exists, so destroy finds its machines.

    Nothing of a lab is written before, so a command that is refused leaves no file.
    """

    key = "spec"
    title = "Spec"

    def needed(self, context: Context) -> bool:
        """Whether the lab is new, or its spec changed."""
        if not context.lab.exists:
            return True
        return context.lab.spec_file.read_text() != context.lab.spec_text(context.spec)

    def run(self, context: Context) -> Done:
        """Write the spec, and why its profile was chosen."""
        context.lab.prepare()
        if context.choice is not None and not context.lab.exists:
            context.lab.write(context.lab.choice_file, json.dumps(context.choice, indent=1))
        context.lab.save_spec(context.spec)
        return Done(str(context.lab.spec_file))


class CreateMachines(Phase):
    """Create or start every machine and wait until it answers SSH."""

    key = "machines"
    title = "Machines"

    def run(self, context: Context) -> Done:
        """Create or start the machines.

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


class RequireMachines(Phase):
    """Refuse to go on without a machine: a blank one in its place is no node of the cluster."""

    key = "made"
    title = "Disks"

    def run(self, context: Context) -> Done:
        """Look for the disk of every machine.

        Raises:
            LabError: a machine has none; names it.
        """
        machines = context.provider.machines()
        gone = ", ".join(machine.name for machine in machines if machine.state == "absent")
        if gone:
            raise LabError(
                f"lab {context.lab.name} lacks machines: {gone}",
                "They were never made, or their disks were removed.",
                f"Run `kubelab up --name {context.lab.name}`: it makes them again and joins them.",
            )
        return Done(f"{len(machines)} there")


class DestroyMachines(Phase):
    """Remove the machines, their network and the lab's files, also those of a killed run."""

    key = "destroy"
    title = "Destroy"

    def run(self, context: Context) -> Done:
        """Destroy the machines, then the lab's folder.

        Raises:
            LabError: a machine or the folder could not be removed.
        """
        context.provider.destroy(context.listen)
        context.lab.remove()
        if context.lab.dir.exists():
            raise LabError(
                f"{context.lab.dir} could not be removed",
                "Something in it is mounted or open.",
                f"Find it with `lsof +D {context.lab.dir}`, then run `kubelab destroy` again.",
            )
        return Done(f"lab {context.lab.name} is gone")


class StopMachines(Phase):
    """Shut every machine down. Disks and state stay."""

    key = "stop"
    title = "Stop"

    def needed(self, context: Context) -> bool:
        """Whether a machine is running or paused."""
        return any(m.state in ("running", "paused") for m in context.provider.machines())

    def run(self, context: Context) -> Done:
        """Stop the workers first, because they need the control plane until they are down."""
        for role in ("worker", "control-plane"):
            nodes = [node for node in context.spec.machines if node.role == role]
            context.provider.stop(nodes, context.listen)
        return Done(f"{len(context.spec.nodes)} stopped")
