"""Commands about artifacts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml

from provisioner import report
from provisioner.artifacts.artifact_set import Order, order_of
from provisioner.artifacts.cache import Stored, every_order, list_entries, prune, wanted_entries
from provisioner.artifacts.image_names import short
from provisioner.artifacts.locking import all_of, each, lock_images, pins_of, state_of
from provisioner.artifacts.offer import offers, workshop_for, workshop_of
from provisioner.artifacts.registry_faults import RegistryError
from provisioner.artifacts.sources.base import Workshop
from provisioner.cli.common import (
    Json,
    Profile,
    SpecFile,
    chosen_spec,
    run_with_progress,
)
from provisioner.context import make_context
from provisioner.errors import UsageError
from provisioner.lab import Lab, all_labs, cache, profiles
from provisioner.phases.bake import baked_file, fetched_box, override_for, to_bake
from provisioner.recipes import BAKE, BUILD
from provisioner.spec import Artifacts, read_spec

artifacts = typer.Typer(help="Binaries, images and the machine root.", no_args_is_help=True)


# The argument that means kubelab's own Vagrant box, and the profile that uses that box.
BOX, BOX_PROFILE = "box", "debian12"


@artifacts.command()
def build(
    profile: Profile = "",
    of: Annotated[str, typer.Argument(help="After `box`: bake the box of that profile.")] = "",
    file: SpecFile = None,
    as_json: Json = False,
) -> None:
    """Build the artifacts of a lab that the cache lacks.

    `box` means kubelab's own Vagrant box. `box PROFILE` bakes the box that a publisher made for
    a profile: it boots a machine of it once, installs the packages of nodes, and keeps its disk.
    """
    if of:
        _bake(profile, of, as_json=as_json)
        return
    wanted = chosen_spec(BOX_PROFILE if profile == BOX else profile, file, "")
    context = make_context(Lab(wanted.name), wanted)
    outcome = run_with_progress(BUILD, context, "artifacts build", keep_log=False)
    found = outcome.context.artifacts
    if as_json and found:
        rows = [{**vars(a), "path": str(found.folder / a.path)} for a in found.artifacts]
        box = str(found.box) if found.box else ""
        report.print_json({"set": str(found.folder), "box": box, "artifacts": rows})
    elif found:
        report.print_times(outcome.times)
        report.out.print(f"artifact set: {found.folder}", highlight=False, soft_wrap=True)
        if found.box:
            report.out.print(f"box: {found.box}", highlight=False, soft_wrap=True)


def _bake(word: str, profile: str, *, as_json: bool) -> None:
    if word != BOX:
        raise UsageError(f"{word} {profile}: one argument too many", "", f"Did you mean `{BOX}`?")
    spec = to_bake(chosen_spec(profile, None, ""))
    context = make_context(Lab(spec.name), spec)
    name, box = fetched_box(context)
    outcome = run_with_progress(BAKE, context, "artifacts build", keep_log=False)
    overrides = override_for(name, box)
    if as_json:
        report.print_json({"box": str(baked_file(name)), "spec": overrides})
        return
    report.print_times(outcome.times)
    report.out.print("\nA spec takes that box with:\n", highlight=False)
    report.out.print(yaml.safe_dump(overrides, sort_keys=False), highlight=False, soft_wrap=True)


@artifacts.command()
def lock(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Keep the digests of the images of a lab whose publishers name none, in a file to commit.

    An image that is in the file already is compared with its registry. No image is fetched.
    """
    spec = chosen_spec(profile, file, "")
    workshop = workshop_of(spec.artifacts)
    pins = [p for p in pins_of(workshop, order_of(spec, workshop).components) if p.lock]
    found = each([pin for pin in pins if pin.digest], lambda pin: state_of(pin, workshop))
    if fault := all_of(answer for answer in found.values() if isinstance(answer, RegistryError)):
        raise fault
    new = lock_images(workshop, pins)
    rows = [
        {"image": short(pin.reference), "digest": new.get(pin, pin.digest), "new": pin in new}
        for pin in pins
    ]
    if as_json:
        report.print_json({"file": str(workshop.lock.file), "images": rows})
        return
    states = {True: "new", False: "as before"}
    table = [(row["image"], states[bool(row["new"])], row["digest"]) for row in rows]
    report.print_table(str(workshop.lock.file), ("name", "state", "digest"), table)


def _orders() -> Iterator[tuple[Workshop, Order]]:
    """The orders of all components of the catalogue, from both sources, and of all profiles."""
    for source in ("packages", "upstream"):
        yield from every_order(workshop_of(Artifacts(source=source)))
    for profile in profiles().values():
        spec = read_spec(profile, offers)
        workshop = workshop_for(spec)
        yield workshop, order_of(spec, workshop)


def _kept() -> set[Path]:
    """The folders of the cache that existing labs use."""
    return {path for lab in all_labs() for path in lab.uses()}


@artifacts.command("list")
def list_(
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again.")] = False,
    as_json: Json = False,
) -> None:
    """List the entries of the cache with their sizes, and whether they are intact."""
    wanted = wanted_entries(_orders()) | _kept()
    found = list_entries(cache(), wanted, verify=verify)
    if as_json:
        rows = [{**vars(item), "path": str(item.path)} for item in found]
        report.print_json({"cache": str(cache()), "entries": rows})
        return
    table = [(i.name, _mib(i), "wanted" if i.wanted else "old", i.fault or "whole") for i in found]
    report.print_table(str(cache()), ("entry", "size", "by the catalogue", "state"), table)


@artifacts.command("prune")
def prune_(
    everything: Annotated[
        bool, typer.Option("--all", help="Remove sources and compiler caches as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove entries from the cache that neither the catalogue nor a lab needs."""
    removed = prune(cache(), wanted_entries(_orders()), _kept(), everything=everything)
    if as_json:
        report.print_json({"removed": [{"name": i.name, "size": i.size} for i in removed]})
        return
    report.print_table("removed", ("entry", "size"), [(i.name, _mib(i)) for i in removed])


def _mib(item: Stored) -> str:
    return f"{item.size / 2**20:.1f} MiB"
