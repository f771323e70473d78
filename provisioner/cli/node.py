"""Commands for one node: drain, uncordon, reset, rejoin."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, existing, outcome_json, run_with_progress
from provisioner.context import Context
from provisioner.errors import LabError, UsageError
from provisioner.lab import all_labs
from provisioner.phases.base import Phase
from provisioner.recipes import drain_recipe, rejoin_recipe, reset_recipe, uncordon_recipe

node = typer.Typer(help="One node: drain, uncordon, reset, rejoin.", no_args_is_help=True)

NodeName = Annotated[str, typer.Argument(help="Name of the node.")]
Timeout = Annotated[int, typer.Option(min=1, help="Seconds that pods may take to end.")]
Force = Annotated[bool, typer.Option("--force", help="Delete pods that have no controller.")]
EmptyDir = Annotated[
    bool, typer.Option("--delete-emptydir-data", help="Delete the data of emptyDir volumes.")
]


def checked_node(context: Context, name: str) -> None:
    """Check that the lab has a node of that name.

    Raises:
        UsageError: there is no such node; names the lab's nodes, and other labs that have it.
    """
    names = [found.name for found in context.spec.nodes]
    if name in names:
        return
    others = [lab for lab in all_labs() if lab.name != context.lab.name]
    owners = [x.name for x in others if name in {n.name for n in x.load_spec().nodes}]
    also = (
        f"\n{name} is a node of lab {', '.join(owners)}: select it with --name." if owners else ""
    )
    raise UsageError(
        f"lab {context.lab.name} has no node named {name!r}",
        f"Nodes: {', '.join(names)}{also}",
        "Name one of them.",
    )


def _carry_out(
    recipe: Sequence[Phase], context: Context, command: str, name: str, *, as_json: bool
) -> None:
    if not context.lab.kubeconfig.exists():
        raise LabError("this lab has no cluster yet", "", "Run `kubelab up` first.")
    outcome = run_with_progress(recipe, context, command)
    recap = outcome.context.recap
    left: Mapping[str, str] = recap.stats.get("left_alone", {}) if recap else {}
    if as_json:
        answer = {"lab": context.lab.name, "node": name, "left": dict(left)}
        report.print_json({**answer, **outcome_json(outcome)})
    for host, what in left.items():
        report.print_notice(f"{host}: {what.strip()}.")


def _drain_variables(*, timeout: int, force: bool, emptydir: bool) -> dict[str, Any]:
    return {
        "drain_timeout": timeout,
        "drain_force": force,
        "drain_delete_emptydir_data": emptydir,
    }


@node.command()
def drain(
    node_name: NodeName,
    name: Name = "",
    timeout: Timeout = 300,
    force: Force = False,
    delete_emptydir_data: EmptyDir = False,
    as_json: Json = False,
) -> None:
    """Move a node's pods to other nodes and keep new pods off it. DaemonSets stay."""
    context = existing(name)
    checked_node(context, node_name)
    given = _drain_variables(timeout=timeout, force=force, emptydir=delete_emptydir_data)
    _carry_out(drain_recipe(node_name, given), context, "node-drain", node_name, as_json=as_json)


@node.command()
def uncordon(node_name: NodeName, name: Name = "", as_json: Json = False) -> None:
    """Allow pods on a drained node again."""
    context = existing(name)
    checked_node(context, node_name)
    recipe = uncordon_recipe(node_name)
    _carry_out(recipe, context, "node-uncordon", node_name, as_json=as_json)


@node.command()
def reset(
    node_name: NodeName,
    name: Name = "",
    timeout: Timeout = 300,
    force: Force = False,
    delete_emptydir_data: EmptyDir = False,
    lose_cluster: Annotated[
        bool,
        typer.Option(
            "--lose-cluster", help="Reset the control plane too; all data in etcd is lost."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a worker: drain it, reset it, and clean its machine of the cluster's files."""
    context = existing(name)
    checked_node(context, node_name)
    if node_name == context.first_control_plane.name and not lose_cluster:
        raise UsageError(
            f"{node_name} is the control plane",
            "A reset removes etcd, and with it every object of the cluster. Workers would have to"
            " join a new cluster.",
            "If you want that, add --lose-cluster.",
        )
    given = _drain_variables(timeout=timeout, force=force, emptydir=delete_emptydir_data)
    given["reset_control_plane"] = lose_cluster
    _carry_out(reset_recipe(node_name, given), context, "node-reset", node_name, as_json=as_json)


@node.command()
def rejoin(node_name: NodeName, name: Name = "", as_json: Json = False) -> None:
    """Join a worker again: after a reset, a partial join, or with a stale Node object."""
    context = existing(name)
    checked_node(context, node_name)
    if node_name == context.first_control_plane.name:
        raise UsageError(
            f"{node_name} is the control plane",
            "Workers join it.",
            "Run `kubelab up` to repair it.",
        )
    _carry_out(rejoin_recipe(node_name), context, "node-rejoin", node_name, as_json=as_json)
