"""Phases for artifacts: build those of a spec, or take those that a lab was made of."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.artifact_record import ArtifactRecord
from provisioner.artifacts.artifact_set import ArtifactSet, build_set, check_inputs, order_of
from provisioner.artifacts.image_names import short
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.locking import lock_images, pins_of
from provisioner.artifacts.manifest import SCHEMA
from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.model import Event
from provisioner.phases.base import Done, Phase


def built(context: Context) -> ArtifactSet:
    """The artifacts of an earlier phase.

    Raises:
        LabError: no earlier phase built or took any.
    """
    if context.artifacts is None:
        raise LabError("no artifact set", "", "Run `kubelab artifacts build` first.")
    return context.artifacts


def _place_kubectl(context: Context, folder: Path) -> None:
    """Link kubectl into the lab's folder, where its commands look for it."""
    kubectl = context.lab.kubectl
    kubectl.parent.mkdir(parents=True, exist_ok=True)
    kubectl.unlink(missing_ok=True)
    kubectl.symlink_to(folder / "bin/kubectl")


def _told(locked: Mapping[Pin, str], file: Path) -> Iterator[str]:
    """The digests that came into the lock, in words: a person has to look at them."""
    if locked:
        new = (f"{short(pin.reference)} {digest[:19]}" for pin, digest in locked.items())
        yield f"new in {file}, which is to be committed: {', '.join(new)}"


def _replaced(before: ArtifactRecord | None, found: ArtifactSet) -> Iterator[str]:
    """The images of the lab that have another content under the same name now, in words."""
    old = before.image_sums if before else {}
    for artifact in found.artifacts:
        was = old.get(artifact.image, artifact.sha256)
        if was != artifact.sha256:
            yield f"{artifact.image} is replaced: archive {was[:12]} by {artifact.sha256[:12]}"


class BuildArtifacts(Phase):
    """Build missing binaries, images and machine root; verify the existing ones."""

    key = "artifacts"
    title = "Artifacts"

    def run(self, context: Context) -> Done:
        """Build the artifacts; if the lab exists, record in it what it is made of.

        Raises:
            LabError: a source cannot be reached, or a build failed.
        """
        workshop = context.workshop
        order = order_of(context.spec, workshop)
        check_inputs(workshop, order, cached_too=False)
        locked = lock_images(workshop, pins_of(workshop, order.components))
        built: list[str] = []

        def listen(event: Event) -> None:
            if event.status == "changed":
                built.append(event.task)
            context.listen(event)

        before = context.lab.artifacts if context.lab.exists else None
        found = build_set(workshop, order, listen, jobs=(os.cpu_count() or 1) + 1)
        if context.lab.exists:
            _place_kubectl(context, found.folder)
            record = ArtifactRecord(
                found.folder, found.machine_root, found.box, found.docker_store, found.entries
            )
            context.lab.record_artifacts(record)
        summary = f"{len(built)} built" if built else f"{len(found.artifacts)} from the cache"
        told = (summary, *_replaced(before, found), *_told(locked, workshop.lock.file))
        return Done("; ".join(told), artifacts=found)


@dataclass
class TakeArtifacts(Phase):
    """Take the artifacts that the lab was made of; build them again only if they are gone.

    So a later kubelab can start a lab whose version its catalogue no longer has. ``for_roles`` is
    for recipes that run playbooks: roles need a manifest of the current schema.
    """

    for_roles: bool = False
    key: str = "artifacts"
    title: str = "Artifacts"

    def run(self, context: Context) -> Done:
        """Take the recorded artifacts.

        Raises:
            LabError: the artifacts are gone, and could not be built again.
        """
        record = context.lab.artifacts
        if record is None or (self.for_roles and record.schema != SCHEMA):
            return BuildArtifacts().run(context)
        found = ArtifactSet(
            record.folder,
            record.machine_root,
            (),
            box=record.box,
            docker_store=record.docker_store,
            entries=record.entries,
        )
        return Done("those that the lab was made of", artifacts=found)
