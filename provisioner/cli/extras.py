"""Commands about artifacts and specs."""

import json
from typing import Annotated

import typer

from provisioner import report
from provisioner.artifacts.cache import Stored, list_stock, prune
from provisioner.catalog.load import load_catalog
from provisioner.cli.common import (
    Json,
    Profile,
    SpecFile,
    chosen_spec,
    run_with_progress,
)
from provisioner.compat import LINES, RULES, matrix, page
from provisioner.lab import Lab, all_labs, cache
from provisioner.phases.machines import make_context
from provisioner.recipes import BUILD
from provisioner.spec import LabSpec

artifacts = typer.Typer(help="Binaries, images and the machine root.", no_args_is_help=True)
spec = typer.Typer(help="Lab specs.", no_args_is_help=True)


# The word that asks for the Vagrant box of ours, and the profile that uses it.
BOX, BOX_PROFILE = "box", "debian12"


@artifacts.command()
def build(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Build what a lab needs and is not in the cache yet; `box` means our own Vagrant box."""
    wanted = chosen_spec(BOX_PROFILE if profile == BOX else profile, file, "")
    context = make_context(Lab(wanted.name), wanted, lambda _: None)
    times = run_with_progress(BUILD, context, "artifacts build", keep_log=False)
    found = context.artifacts
    if as_json and found:
        rows = [{**vars(a), "path": str(found.folder / a.path)} for a in found.artifacts]
        box = str(found.box) if found.box else ""
        report.print_json({"set": str(found.folder), "box": box, "artifacts": rows})
    elif found:
        report.print_times(times)
        report.out.print(f"artifact set: {found.folder}", highlight=False, soft_wrap=True)
        if found.box:
            report.out.print(f"box: {found.box}", highlight=False, soft_wrap=True)


@artifacts.command("list")
def list_(
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again.")] = False,
    as_json: Json = False,
) -> None:
    """List what is in the cache, how large it is, and whether it is whole."""
    stock = list_stock(load_catalog({}), cache(), verify=verify)
    if as_json:
        rows = [{**vars(item), "path": str(item.path)} for item in stock]
        report.print_json({"cache": str(cache()), "entries": rows})
        return
    table = [(i.name, _mib(i), "wanted" if i.wanted else "old", i.fault or "whole") for i in stock]
    report.print_table(str(cache()), ("entry", "size", "by the catalogue", "state"), table)


@artifacts.command("prune")
def prune_(
    everything: Annotated[
        bool, typer.Option("--all", help="Also sources and compiler caches: a build starts anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove from the cache what neither the catalogue nor a lab needs any more."""
    kept = {path for lab in all_labs() for path in lab.uses()}
    removed = prune(load_catalog({}), cache(), kept, workshop=everything)
    if as_json:
        report.print_json({"removed": [{"name": i.name, "size": i.size} for i in removed]})
        return
    report.print_table("removed", ("entry", "size"), [(i.name, _mib(i)) for i in removed])


def _mib(item: Stored) -> str:
    return f"{item.size / 2**20:.1f} MiB"


def compat(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the docs.")] = False,
) -> None:
    """Show what goes together: operating systems, Kubernetes, and all between them."""
    if as_json:
        report.print_json({"matrix": matrix(), "rules": [vars(rule) for rule in RULES]})
        return
    if markdown:
        print(page(), end="")  # noqa: T201
        return
    by_os = matrix()
    rows = [(line, *(by_os[os][line] or "possible" for os in by_os)) for line in LINES]
    report.print_table("Kubernetes with docker", ("", *by_os), rows)
    report.print_table("rules", ("because", "source"), [(r.why, r.source) for r in RULES])


@spec.command()
def schema() -> None:
    """Print the JSON Schema of lab specs."""
    print(json.dumps(LabSpec.model_json_schema(), indent=2))  # noqa: T201


@spec.command()
def check(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Read a spec and say what is wrong with it. Exit code 2 if anything is."""
    found = chosen_spec(profile, file, "")
    if as_json:
        report.print_json(found.model_dump())
    else:
        report.out.print(f"{found.name}: {len(found.nodes)} nodes, no fault", highlight=False)
