"""Commands that stop and start a lab, and that save and restore snapshots."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, existing, outcome_json, run_with_progress
from provisioner.context import snapshots_of
from provisioner.phases.base import Phase
from provisioner.recipes import START, STOP, restore_recipe, save_recipe

snapshot = typer.Typer(help="Save and restore the state of a lab.", no_args_is_help=True)

SnapshotName = Annotated[str, typer.Argument(help="Name of the snapshot.")]


def _carry_out(recipe: Sequence[Phase], command: str, name: str, *, as_json: bool) -> None:
    context = existing(name)
    outcome = run_with_progress(recipe, context, command)
    if as_json:
        phases = outcome_json(outcome)["phases"]
        report.print_json({"lab": context.lab.name, "phases": phases})


def stop(name: Name = "", as_json: Json = False) -> None:
    """Shut all machines down. Disks and the cluster's state stay; `kubelab start` continues."""
    _carry_out(STOP, "stop", name, as_json=as_json)


def start(name: Name = "", as_json: Json = False) -> None:
    """Start a stopped lab, also after a restart of this host, and wait for all nodes."""
    _carry_out(START, "start", name, as_json=as_json)


@snapshot.command()
def save(snapshot_name: SnapshotName, name: Name = "", as_json: Json = False) -> None:
    """Save the state of all machines; running virtual machines are saved with their memory."""
    _carry_out(save_recipe(snapshot_name), "snapshot-save", name, as_json=as_json)


@snapshot.command()
def restore(snapshot_name: SnapshotName, name: Name = "", as_json: Json = False) -> None:
    """Restore a snapshot and wait until every node is Ready. All later changes are lost."""
    _carry_out(restore_recipe(snapshot_name), "snapshot-restore", name, as_json=as_json)


@snapshot.command("list")
def list_(name: Name = "", as_json: Json = False) -> None:
    """List the snapshots of a lab."""
    found = snapshots_of(existing(name)).list()
    if as_json:
        report.print_json({"snapshots": [vars(entry) for entry in found]})
        return
    rows = [
        (entry.name, time.strftime("%F %T", time.localtime(entry.made)), _state(entry.running))
        for entry in found
    ]
    report.print_table("", ("snapshot", "made", "machines"), rows)


def _state(running: bool) -> str:
    return "running" if running else "stopped"


@snapshot.command()
def delete(snapshot_name: SnapshotName, name: Name = "", as_json: Json = False) -> None:
    """Delete a snapshot."""
    context = existing(name)
    with context.lab.locked("snapshot delete"):
        snapshots_of(context).delete(snapshot_name)
    if as_json:
        report.print_json({"deleted": snapshot_name})
