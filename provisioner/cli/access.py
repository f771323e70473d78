"""Commands to access a lab: ssh, kubectl, kubeconfig, logs."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, chosen_lab, existing
from provisioner.errors import LabError, UsageError
from provisioner.event_log import read_events
from provisioner.queries.kubeconfig import merge_kubeconfig
from provisioner.surroundings import give_back

Words = Annotated[list[str] | None, typer.Argument(help="Arguments to pass on, after --.")]


def ssh(
    node: Annotated[str, typer.Argument(help="Name of the node.")],
    command: Words = None,
    name: Name = "",
) -> None:
    """Open a shell on a node, or run a command there: kubelab ssh worker1 -- uptime."""
    context = existing(name)
    nodes = {found.name: found for found in context.spec.machines}
    if node not in nodes:
        raise UsageError(
            f"no node named {node!r}", f"Nodes: {', '.join(nodes)}", "Name one of them."
        )
    argv = [*context.provider.ssh(nodes[node]), *(command or [])]
    give_back()
    os.execvp(argv[0], argv)  # noqa: S606


def kubectl(words: Words = None, name: Name = "") -> None:
    """Run the cluster's own kubectl: kubelab kubectl -- get pods -A."""
    bound = existing(name).kubectl
    if not bound.kubeconfig.exists():
        raise LabError("this lab has no cluster yet", "", "Run `kubelab up` first.")
    argv = bound.argv(*(words or []))
    give_back()
    os.environ |= bound.environment
    os.execvp(argv[0], argv)  # noqa: S606


def kubeconfig(
    name: Name = "",
    merge: Annotated[bool, typer.Option("--merge", help="Add it to ~/.kube/config.")] = False,
    as_json: Json = False,
) -> None:
    """Print the path of the administrator's kubeconfig, for KUBECONFIG=$(kubelab kubeconfig)."""
    context = existing(name)
    if not context.lab.kubeconfig.exists():
        raise LabError("this lab has no cluster yet", "", "Run `kubelab up` first.")
    path = context.lab.kubeconfig
    if merge:
        path = merge_kubeconfig(context, Path.home() / ".kube/config")
    if as_json:
        report.print_json({"kubeconfig": str(path), "context": context.lab.name if merge else ""})
    else:
        print(path)  # noqa: T201


def logs(
    name: Name = "",
    timings: Annotated[
        bool, typer.Option("--timings", help="Show the time by phase and by task.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the last command did, step by step."""
    lab = chosen_lab(name)
    run = lab.latest_run()
    if run is None:
        raise LabError(f"lab {lab.name} has no run yet", "", "Run `kubelab up` first.")
    events = read_events(run)
    if as_json:
        report.print_json({"run": str(run), "events": events})
    elif timings:
        report.print_timings(events)
    else:
        for event in events:
            print(json.dumps(event))  # noqa: T201
