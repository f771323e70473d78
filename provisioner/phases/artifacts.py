"""The phase that builds what a lab needs, and the inventory that tells roles where it is."""

import os
from dataclasses import dataclass, replace

from provisioner.artifacts.artifact_set import Order, build_set
from provisioner.artifacts.sources.upstream import refuse_unknown
from provisioner.catalog.builds import FetchedBox, UpstreamBuild
from provisioner.catalog.load import builds_of
from provisioner.lab import cache
from provisioner.model import Event
from provisioner.phases.base import Context
from provisioner.spec import LabSpec, VagrantOptions


def order_of(spec: LabSpec) -> Order:
    """What a lab needs of the catalogue."""
    order = Order(spec.kubernetes.version, spec.cni.name, dashboard=spec.dashboard.name)
    if isinstance(spec.provider, VagrantOptions):
        box, disk = spec.provider.box, spec.provider.docker_disk_gib
        return replace(order, box=box.name, baked=box.baked, docker_disk_gib=disk)
    return replace(order, machine_root=True)


def refuse_without_sums(context: Context) -> None:
    """Refuse a lab that needs a download whose SHA-256 neither catalogue nor spec have.

    Raises:
        SpecError: names the key to give, of the first such download.
    """
    catalog, spec = context.catalog, context.spec
    for name in dict.fromkeys(builds_of(catalog, context.bundles)):
        build = catalog.builds[name]
        if isinstance(build, UpstreamBuild):
            for file, download in build.files.items():
                refuse_unknown(f"artifacts_upstream.{name}.files.{file}", download)
    if isinstance(spec.provider, VagrantOptions):
        box = catalog.boxes[spec.provider.box.name]
        if isinstance(box, FetchedBox):
            refuse_unknown(f"artifacts_boxes.{spec.provider.box.name}.file", box.file)


@dataclass
class BuildArtifacts:
    """Build binaries, images and the machine root that are missing; verify those that are there."""

    key: str = "artifacts"
    title: str = "Artifacts"

    def needed(self, context: Context) -> bool:  # noqa: ARG002
        """Always: what is there has to be verified."""
        return True

    def run(self, context: Context) -> str:
        """Build them, and put kubectl where the commands of a lab find it, if there is one.

        Raises:
            LabError: a source cannot be reached, or a build failed.
        """
        refuse_without_sums(context)
        built: list[str] = []

        def listen(event: Event) -> None:
            if event.status == "changed":
                built.append(event.task)
            context.listen(event)

        jobs = (os.cpu_count() or 1) + 1
        found = build_set(context.catalog, order_of(context.spec), cache(), listen, jobs=jobs)
        context.artifacts = found
        if context.lab.exists:
            kubectl = context.lab.kubectl
            kubectl.parent.mkdir(parents=True, exist_ok=True)
            kubectl.unlink(missing_ok=True)
            kubectl.symlink_to(found.folder / "bin/kubectl")
        return f"{len(built)} built" if built else f"{len(found.artifacts)} from the cache"
