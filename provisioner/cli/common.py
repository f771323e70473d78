"""Shared parts of commands: options, the choice of lab and spec, and running a recipe."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from provisioner import report
from provisioner.artifacts.offer import offers
from provisioner.context import Context, make_context
from provisioner.errors import Interrupted, LabError, UsageError
from provisioner.event_log import EventLog
from provisioner.file_faults import read_json
from provisioner.lab import Lab, all_labs, home, profiles
from provisioner.model import Event
from provisioner.phases.base import Outcome, Phase, run_recipe
from provisioner.phases.host import InstallHostPackages
from provisioner.queries.doctor import Choice, choose, doctor_of, lacks_only_qemu, settled
from provisioner.spec import LabSpec, parse_spec, read_spec

# The profiles for a command without one: the virtual profile if KVM boots a guest on this host and
# all its sources can be reached, else the default profile.
VIRTUAL_PROFILE = "centos7"
DEFAULT_PROFILE = "embedded"

Name = Annotated[str, typer.Option("--name", help="Which lab (default: the only one).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Profile = Annotated[str, typer.Argument(help="A ready spec from profiles/.", show_default=False)]
SpecFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="A lab spec of your own.", show_default=False)
]


def chosen_lab(name: str) -> Lab:
    """The lab of that name; without a name, the only existing lab.

    Raises:
        UsageError: no name was given, and there is no lab, or more than one.
        PermissionError: the labs are those of another user.
    """
    if name:
        return Lab(name)
    labs = all_labs()
    if len(labs) == 1:
        return labs[0]
    if not labs:
        hint = "Run `kubelab up` to create one. `kubelab list --all` shows those of other folders."
        raise UsageError(f"there is no lab in {home()}", "", hint)
    names = ", ".join(lab.name for lab in labs)
    raise UsageError("which lab?", f"There are: {names}", "Pick one with --name NAME.")


def chosen_spec(profile: str, file: Path | None, name: str) -> LabSpec:
    """The spec of a file, a profile, the named lab or the default profile, in this order.

    Raises:
        UsageError: there is no such profile, or both a profile and a file were given.
        SpecError: the spec is refused.
    """
    if profile and file:
        raise UsageError("both a profile and a file were given", "", "Give one of the two.")
    if not profile and not file and name and Lab(name).exists:
        return read_spec(Lab(name).spec_file, offers)
    ready = profiles()
    profile = profile or DEFAULT_PROFILE
    if file is None and profile not in ready:
        if Path(profile).is_file():
            hint = f"Give it as a file: -f {profile}"
            raise UsageError(f"{profile!r} is a file, and no profile", "", hint)
        raise UsageError(
            f"no profile named {profile!r}",
            f"Profiles: {', '.join(ready)}",
            "Name one of them, or a spec of your own with -f FILE.",
        )
    spec = read_spec(file or ready[profile], offers)
    if name:
        spec = parse_spec({**spec.model_dump(), "name": name}, "--name", offers)
    return _settle(spec)


def _settle(spec: LabSpec) -> LabSpec:
    """The spec with a source of artifacts in place of ``auto``; says which and why.

    Raises:
        SpecError: that source does not have what the spec asks for.
    """
    lab = Lab(spec.name)
    found, why = settled(spec, lab.load_spec() if lab.exists else None)
    if not why:
        return spec
    report.print_notice(f"artifacts.source is auto: {why}.")
    return parse_spec(found.model_dump(), "artifacts.source auto", offers)


def make_choice() -> Choice:
    """Ask this host which profile it can run; installs QEMU if nothing else is missing."""
    virtual = chosen_spec(VIRTUAL_PROFILE, None, "")
    context = make_context(Lab(virtual.name), virtual)
    findings = doctor_of(context)
    if lacks_only_qemu(findings):
        run_recipe([InstallHostPackages()], context)
        findings = doctor_of(context)
    return choose(virtual.name, findings, DEFAULT_PROFILE)


def earlier_choice() -> Choice | None:
    """The recorded choice of an existing lab, if any."""
    for lab in all_labs():
        if lab.choice_file.is_file():
            kept = read_json(lab.choice_file, f"Name the lab's spec: `-f {lab.spec_file}`.")
            return Choice(str(kept.get("profile")), str(kept.get("why")), ())
    return None


@contextmanager
def naming_the_other(choice: Choice | None) -> Iterator[None]:
    """Name the default profile in errors of a lab that was chosen, and whose kind never ran.

    Raises:
        LabError: the one of the block.
    """
    try:
        yield
    except Interrupted:
        raise
    except LabError as error:
        if choice and choice.never_seen:
            error.hint += (
                f"\n{choice.profile} was never seen to run. `kubelab destroy --name"
                f" {choice.profile}` and `kubelab up {DEFAULT_PROFILE}` make a lab of machine"
                " containers, which was."
            )
        raise


def existing(name: str) -> Context:
    """The context of an existing lab; its stored spec is not checked against the catalogue.

    Raises:
        UsageError: there is no such lab.
    """
    lab = chosen_lab(name)
    stored = lab.load_stored()
    if stored.unknown:
        keys = ", ".join(stored.unknown)
        report.print_notice(f"this kubelab ignores unknown parts of {lab.spec_file}: {keys}.")
    return make_context(lab, stored.spec)


def run_with_progress(
    recipe: Sequence[Phase], context: Context, command: str, *, keep_log: bool = True
) -> Outcome:
    """Run a recipe under the lab's lock, with progress on stderr and events on disk.

    Raises:
        BusyError: another command holds the lab.
        LabError: a phase failed.
    """
    progress = report.Progress(report.err)
    with context.lab.locked(command):
        log = EventLog(context.lab.runs, command) if keep_log else None

        def listen(event: Event) -> None:
            progress(event)
            if log:
                log(event)

        with progress.shown():
            return run_recipe(recipe, replace(context, listen=listen))


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The phases of a recipe and the changes on each host, for a command's JSON document."""
    recap = outcome.context.recap
    return {
        "phases": [
            {"phase": t.key, "seconds": t.seconds, "outcome": t.outcome} for t in outcome.times
        ],
        "changed": {h: counts["changed"] for h, counts in recap.hosts.items()} if recap else {},
    }
