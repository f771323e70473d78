"""Commands for a whole lab."""

from dataclasses import replace
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import (
    Json,
    Name,
    Profile,
    SpecFile,
    chosen_spec,
    earlier_choice,
    existing,
    make_choice,
    naming_the_other,
    outcome_json,
    run_with_progress,
)
from provisioner.context import Context, make_context
from provisioner.lab import Lab
from provisioner.model import Finding
from provisioner.queries.dashboard import find_page
from provisioner.queries.doctor import doctor_of
from provisioner.queries.plan import plan_of
from provisioner.queries.status import status_of
from provisioner.queries.verify import verify_lab
from provisioner.recipes import RECREATE_NETWORK, UP
from provisioner.spec import NO_DASHBOARD


def _next_steps(named: str, node: str, *, dashboard: bool) -> str:
    """Commands to type once a lab is up."""
    steps = {
        f"kubelab verify{named}": "check that it works",
        f"kubelab kubectl{named} -- get nodes": "use it",
        f"kubelab ssh{named} {node}": "open a shell on a machine",
    }
    if dashboard:
        steps[f"kubelab dashboard{named}"] = "open its dashboard"
    width = max(map(len, steps))
    lines = [f"  {command:<{width}}   {what}" for command, what in steps.items()]
    return "\n".join(["", "The cluster is up. Next commands:", *lines])


def _warn_of_page(context: Context) -> None:
    """Print who can access the lab's dashboard, if it has one."""
    if context.spec.dashboard.name == NO_DASHBOARD:
        return
    page = find_page(context.kubectl)
    for warning in page.warnings("admin-user" if page.login else "") if page else ():
        report.print_notice(f"{warning}.")


def up(
    profile: Profile = "",
    file: SpecFile = None,
    name: Annotated[str, typer.Option("--name", help="Name of the lab.")] = "",
    recreate_network: Annotated[
        bool,
        typer.Option("--recreate-network", help="Remove the pod network first; pods restart."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a lab up, or continue an interrupted run.

    Without a profile or a file it takes the named lab's own spec, else a profile for this host:
    virtual machines if KVM boots a guest, else machine containers. It prints the reasons.
    """
    choice = None if profile or file or name else earlier_choice() or make_choice()
    spec = chosen_spec(choice.profile if choice else profile, file, name)
    lab = Lab(spec.name)
    if choice and not lab.exists:
        report.print_choice(choice.profile, choice.why, choice.findings)
    context = replace(make_context(lab, spec), choice=choice.as_json() if choice else None)
    recipe = RECREATE_NETWORK if recreate_network else UP
    with naming_the_other(choice):
        outcome = run_with_progress(recipe, context, "up")
    _warn_of_page(outcome.context)
    if as_json:
        report.print_json({"lab": spec.name, **outcome_json(outcome)})
        return
    report.print_times(outcome.times)
    named = f" --name {spec.name}" if name else ""
    dashboard = spec.dashboard.name != NO_DASHBOARD
    steps = _next_steps(named, spec.nodes[-1].name, dashboard=dashboard)
    report.out.print(steps, highlight=False)


def status(name: Name = "", as_json: Json = False) -> None:
    """Show the current state of a lab."""
    found = status_of(existing(name))
    if as_json:
        report.print_json(found)
        return
    head = ("kubernetes", "runtime", "cgroup_driver", "cni", "api")
    facts = ", ".join(f"{key} {found[key]}" for key in head if found[key])
    report.out.print(f"lab {found['lab']} ({found['provider']}): {found['phase']}", highlight=False)
    report.out.print(facts, highlight=False)
    report.out.print(f"network {found['network']}", highlight=False)
    columns = ("name", "role", "address", "machine", "kubelet", "schedulable")
    used = ("memory_mib", "disk_mib")
    rows = [
        [*(node[key] for key in columns), *(f"{node[key]} MiB" for key in used)]
        for node in found["nodes"]
    ]
    report.print_table("", ("node", *columns[1:], "memory", "disk"), rows)


def _answer(findings: list[Finding], *, as_json: bool, code: int) -> None:
    """Print findings, and exit with ``code`` if one of them failed."""
    ok = all(finding.ok for finding in findings)
    if as_json:
        report.print_json({"ok": ok, "checks": [finding.as_json() for finding in findings]})
    else:
        report.print_findings(findings)
    if not ok:
        raise typer.Exit(code)


def verify(name: Name = "", as_json: Json = False) -> None:
    """Check that the cluster works: nodes, pods, network, services, DNS, self-healing.

    The exit code is 4 if a check fails.
    """
    progress = report.VerifyProgress(report.err)
    context = replace(existing(name), listen=progress)
    with context.lab.locked("verify"), progress.shown():
        findings = verify_lab(context)
    _answer(findings, as_json=as_json, code=4)


def plan(
    profile: Profile = "", file: SpecFile = None, name: Name = "", as_json: Json = False
) -> None:
    """Show what `up` would fetch, build and do, without changing anything."""
    spec = chosen_spec(profile, file, name)
    steps = plan_of(make_context(Lab(spec.name), spec))
    if as_json:
        report.print_json({"lab": spec.name, "steps": [vars(step) for step in steps]})
        return
    rows = [tuple(vars(step).values()) for step in steps]
    head = ("what", "name", "version", "source", "state", "sha256")
    report.print_table(f"lab {spec.name}", head, rows)


def doctor(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Check whether this host can run a lab. The exit code is 3 if it cannot."""
    spec = chosen_spec(profile, file, "")
    findings = doctor_of(make_context(Lab(spec.name), spec))
    _answer(findings, as_json=as_json, code=3)
