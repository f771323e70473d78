"""Commands about which labs there are: list them, and remove one, also without its folder."""

import time
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, chosen_lab, existing, run_with_progress
from provisioner.lab import Lab, home
from provisioner.providers.registry import remove_lost
from provisioner.queries.labs import labs_elsewhere, labs_here, lost_lab
from provisioner.recipes import DESTROY

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_labs(
    every: Annotated[
        bool,
        typer.Option("--all", help="Also labs of other folders, and of folders that are gone."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the labs of this folder, or all labs of this host."""
    rows = labs_here() + (labs_elsewhere() if every else [])
    if as_json:
        report.print_json({"labs": rows})
        return
    if not rows:
        report.print_notice(f"there is no lab {'on this host' if every else f'in {home()}'}")
        return
    columns = ("name", "label", "provider", "state", "folder")
    report.print_table("", columns, [tuple(row[key] for key in columns) for row in rows])


def destroy(name: Name = "", yes: Yes = False, as_json: Json = False) -> None:
    """Remove a lab: its machines, its network and its files. The cache is kept.

    A lab whose folder is gone is found by its name, or by the label that `kubelab list` shows.
    """
    lab = chosen_lab(name)
    seconds = _destroy(lab, yes=yes) if lab.exists else _destroy_lost(name, yes=yes)
    if as_json:
        report.print_json({"lab": lab.name, "seconds": seconds})


def _ask(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question):
        raise typer.Exit(1)


def _destroy(lab: Lab, *, yes: bool) -> float:
    """Destroy a lab of this folder; returns the seconds that it took."""
    _ask(f"Destroy lab {lab.name} with all its machines?", yes=yes)
    outcome = run_with_progress(DESTROY, existing(lab.name), "destroy", keep_log=False)
    return sum(phase.seconds for phase in outcome.times)


def _destroy_lost(name: str, *, yes: bool) -> float:
    """Remove what this host has of a lab whose folder is gone; returns the seconds that it took."""
    found = lost_lab(name)
    where = f", whose folder was {found.folder}" if found.folder else ""
    _ask(f"Destroy lab {found.label}{where}, with {found.running} running machines?", yes=yes)
    begin = time.monotonic()
    with Lab(found.name).locked("destroy"):
        remove_lost(found, lambda _: None)
    report.print_notice(f"lab {found.label} has nothing on this host any more")
    return round(time.monotonic() - begin, 3)
