"""Commands about artifacts and specs."""

import json
from typing import Annotated

import typer

from provisioner import report
from provisioner.artifacts.store import Store
from provisioner.cli.common import Json, Profile, SpecFile, chosen_spec, run_with_progress
from provisioner.lab import Lab, cache, profiles
from provisioner.phases.artifacts import entries_in_use, listing, prune_store
from provisioner.phases.machines import make_context
from provisioner.recipes import BUILD
from provisioner.spec import LabSpec

artifacts = typer.Typer(help="Binaries, images and the machine root.", no_args_is_help=True)
spec = typer.Typer(help="Lab specs.", no_args_is_help=True)


@artifacts.command()
def build(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Build what a lab needs and is not in the cache yet."""
    wanted = chosen_spec(profile, file, "")
    context = make_context(Lab(wanted.name), wanted, lambda _: None)
    times = run_with_progress(BUILD, context, "artifacts build", keep_log=False)
    found = context.artifacts
    if as_json and found:
        rows = [{**vars(a), "path": str(found.folder / a.path)} for a in found.artifacts]
        report.print_json({"set": str(found.folder), "artifacts": rows})
    elif found:
        report.print_times(times)
        report.out.print(f"artifact set: {found.folder}", highlight=False, soft_wrap=True)


@artifacts.command("list")
def list_(
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again.")] = False,
    as_json: Json = False,
) -> None:
    """List what is in the cache, how large it is, and whether it is whole."""
    rows = listing(Store(cache() / "built"), thorough=verify)
    if as_json:
        report.print_json({"cache": str(cache()), "entries": [vars(row) for row in rows]})
        return
    table = [(row.name, row.key, f"{row.size / 2**20:.1f} MiB", row.state) for row in rows]
    report.print_table(str(cache()), ("entry", "key", "size", "state"), table)


@artifacts.command()
def prune(as_json: Json = False) -> None:
    """Remove from the cache what neither a profile nor a lab needs any more."""
    specs = [chosen_spec(name, None, "") for name in profiles()]
    removed = prune_store(Store(cache() / "built"), entries_in_use(specs))
    if as_json:
        report.print_json({"removed": [path.name for path in removed]})
    else:
        report.out.print(f"{len(removed)} entries removed", highlight=False)


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
