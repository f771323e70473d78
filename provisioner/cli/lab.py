"""Commands that concern a whole lab."""

from typing import Annotated, Any

import typer

from provisioner import report
from provisioner.catalog.load import known_by
from provisioner.cli.common import (
    Json,
    Name,
    Profile,
    SpecFile,
    chosen_lab,
    chosen_spec,
    earlier_choice,
    existing,
    keep_choice,
    make_choice,
    run_with_progress,
)
from provisioner.errors import SpecError, UsageError
from provisioner.lab import Lab
from provisioner.model import Finding
from provisioner.phases.base import Context
from provisioner.phases.cluster import kubectl_of
from provisioner.phases.machines import make_context
from provisioner.phases.refusals import refuse_inputs
from provisioner.queries.dashboard import cluster_stays, find_page
from provisioner.queries.doctor import doctor_of
from provisioner.queries.plan import plan_of
from provisioner.queries.status import status_of, verify_lab
from provisioner.recipes import DESTROY, RECREATE_NETWORK, UP
from provisioner.spec import NO_DASHBOARD, LabSpec


def _next_steps(named: str, node: str, *, dashboard: bool) -> str:
    """Commands to type once a lab is up."""
    steps = {
        f"kubelab verify{named}": "prove that it works",
        f"kubelab kubectl{named} -- get nodes": "talk to it",
        f"kubelab ssh{named} {node}": "look into a machine",
    }
    if dashboard:
        steps[f"kubelab dashboard{named}"] = "see it in a browser"
    number = {3: "Three", 4: "Four"}[len(steps)]
    width = max(map(len, steps))
    lines = [f"  {command:<{width}}   {what}" for command, what in steps.items()]
    return "\n".join(["", f"The cluster is up. {number} commands to go on with:", *lines])


def _words(options: dict[str, Any]) -> str:
    """The options of a pod network, as a person would write them."""
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _refuse_change(lab: Lab, spec: LabSpec, *, recreate: bool) -> None:
    """A lab keeps the spec that it was made from, but for added workers and its dashboard.

    With ``recreate`` it may also get another pod network, with what that needs of artifacts.

    Raises:
        SpecError: names the keys that differ.
    """
    if not lab.exists:
        return
    before = lab.load_spec(known_by)
    old, new = before.model_dump(), spec.model_dump()
    keys = [key for key in new if new[key] != old[key]]
    kept = new["nodes"][: len(old["nodes"])] == old["nodes"]
    open_to_change = {"nodes", "dashboard", *({"cni", "artifacts"} if recreate else ())}
    if "dashboard" in keys and cluster_stays(before, spec):
        # Another dashboard may want images by path.
        open_to_change.add("artifacts")
    if set(keys) <= open_to_change and kept:
        return
    if keys == ["cni"] or set(keys) == {"cni", "artifacts"}:
        raise SpecError(
            f"lab {lab.name} has another pod network: {_words(old['cni'])}",
            "Pods keep the addresses of the network that they were made in; another one cuts them"
            " off until each is started anew.",
            "Add --recreate-network to do so: the old network is removed on every node, every pod"
            " that has an address of it is started anew, and nothing answers meanwhile.",
        )
    raise SpecError(
        f"lab {lab.name} was made from another spec",
        f"These parts differ: {', '.join(keys)}. A lab that is there only takes more workers, and"
        " another dashboard.",
        f"Run `kubelab destroy --name {lab.name}` first, or give the new one another --name.",
    )


def _takes_inputs(lab: Lab, spec: LabSpec) -> bool:
    """Whether files that the spec names are read now; what was built from them is kept."""
    return not lab.exists or lab.load_spec(known_by).dashboard != spec.dashboard


def _warn_of_page(context: Context) -> None:
    """Say who can see a dashboard that is there, and may not know it."""
    if context.spec.dashboard.name == NO_DASHBOARD:
        return
    page = find_page(kubectl_of(context))
    for warning in page.warnings("admin-user" if page.login else "") if page else ():
        report.print_notice(f"{warning}.")


def up(
    profile: Profile = "",
    file: SpecFile = None,
    name: Annotated[str, typer.Option("--name", help="Name of the lab.")] = "",
    recreate_network: Annotated[
        bool,
        typer.Option("--recreate-network", help="Take the pod network off first; pods restart."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a lab up, or go on where an earlier run was stopped.

    Without a profile or a file: the named lab's own spec, else what this host can run. Virtual
    machines where KVM boots a guest, else machine containers; the reasons are shown.
    """
    choice = None if profile or file or name else earlier_choice() or make_choice()
    spec = chosen_spec(choice.profile if choice else profile, file, name)
    lab = Lab(spec.name)
    _refuse_change(lab, spec, recreate=recreate_network)
    context = make_context(lab, spec, lambda _: None)
    if recreate_network or _takes_inputs(lab, spec):
        refuse_inputs(context)
    if choice and not lab.exists:
        report.print_choice(choice.profile, choice.why, choice.findings)
        keep_choice(lab, choice)
    recipe = RECREATE_NETWORK if recreate_network else UP
    times = run_with_progress(recipe, context, "up")
    hosts = context.recap.hosts if context.recap else {}
    _warn_of_page(context)
    if as_json:
        phases = [{"phase": t.key, "seconds": t.seconds, "outcome": t.outcome} for t in times]
        changed = {host: counts["changed"] for host, counts in hosts.items()}
        report.print_json({"lab": spec.name, "phases": phases, "changed": changed})
        return
    report.print_times(times)
    named = f" --name {spec.name}" if name else ""
    dashboard = spec.dashboard.name != NO_DASHBOARD
    steps = _next_steps(named, spec.nodes[-1].name, dashboard=dashboard)
    report.out.print(steps, highlight=False)


def status(name: Name = "", as_json: Json = False) -> None:
    """Show a lab as it is now."""
    found = status_of(existing(name))
    if as_json:
        report.print_json(found)
        return
    head = ("kubernetes", "runtime", "cgroup_driver", "cni", "api")
    facts = ", ".join(f"{key} {found[key]}" for key in head if found[key])
    report.out.print(f"lab {found['lab']} ({found['provider']}): {found['phase']}", highlight=False)
    report.out.print(facts, highlight=False)
    columns = ("name", "role", "address", "machine", "kubelet", "schedulable")
    used = ("memory_mib", "disk_mib")
    rows = [
        [*(node[key] for key in columns), *(f"{node[key]} MiB" for key in used)]
        for node in found["nodes"]
    ]
    report.print_table("", ("node", *columns[1:], "memory", "disk"), rows)


def _answer(findings: list[Finding], *, as_json: bool, code: int) -> None:
    """Print findings, and leave with ``code`` if one of them is not well."""
    ok = all(finding.ok for finding in findings)
    if as_json:
        report.print_json({"ok": ok, "checks": [finding.as_json() for finding in findings]})
    else:
        report.print_findings(findings)
    if not ok:
        raise typer.Exit(code)


def verify(name: Name = "", as_json: Json = False) -> None:
    """Prove that the cluster works: nodes, pods, network, services, DNS, self-healing.

    Exit code 4 if it is up and something in it does not work.
    """
    context = existing(name)
    progress = report.VerifyProgress(report.err)
    context.listen = progress
    with context.lab.locked("verify"), progress.shown():
        findings = verify_lab(context)
    _answer(findings, as_json=as_json, code=4)


def plan(
    profile: Profile = "", file: SpecFile = None, name: Name = "", as_json: Json = False
) -> None:
    """Show what `up` would fetch, build and do. Nothing is changed."""
    spec = chosen_spec(profile, file, name)
    steps = plan_of(make_context(Lab(spec.name), spec, lambda _: None))
    if as_json:
        report.print_json({"lab": spec.name, "steps": [vars(step) for step in steps]})
        return
    rows = [tuple(vars(step).values()) for step in steps]
    head = ("what", "name", "version", "source", "state", "sha256")
    report.print_table(f"lab {spec.name}", head, rows)


def doctor(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Ask this host whether it can run a lab. Exit code 3 if it cannot."""
    spec = chosen_spec(profile, file, "")
    findings = doctor_of(make_context(Lab(spec.name), spec, lambda _: None))
    _answer(findings, as_json=as_json, code=3)


def destroy(
    name: Name = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a lab: its machines, its network and its files. Caches stay."""
    lab = chosen_lab(name)
    if not lab.exists:
        # Nothing says so but this command: a name that was mistyped destroys nothing.
        raise UsageError(f"no lab named {lab.name!r}", "", "`kubelab status` names the labs.")
    if not yes and not typer.confirm(f"Destroy lab {lab.name} with all its machines?"):
        raise typer.Exit(1)
    context = existing(lab.name)
    times = run_with_progress(DESTROY, context, "destroy", keep_log=False)
    answer: dict[str, Any] = {"lab": lab.name, "seconds": sum(t.seconds for t in times)}
    if as_json:
        report.print_json(answer)
