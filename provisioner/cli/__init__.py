"""The command line: parses arguments, calls a command, and turns errors into exit codes."""

import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer

from provisioner import report
from provisioner.cli import access, artifacts, dashboard, lab, labs, node, power, spec, support
from provisioner.errors import Interrupted, LabError
from provisioner.file_faults import explain
from provisioner.lab import PROJECT
from provisioner.surroundings import begin_in_utf8, make_ours

app = typer.Typer(
    name="kubelab",
    help="Real Kubernetes, by kubeadm, on real machines of your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
state = {"debug": False}
REPORT = (
    f'Report it with what `kubelab --debug ...` prints: {PROJECT / "CONTRIBUTING.md"}, "Report a'
    ' fault", says where.'
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="KUBELAB_DEBUG", help="Show tracebacks.")
    ] = False,
) -> None:
    """Options of every command."""
    state["debug"] = debug


COMMANDS: list[Callable[..., None]] = [
    *(lab.up, lab.status, lab.verify, lab.plan, lab.doctor),
    *(access.ssh, access.kubectl, access.kubeconfig, access.logs, dashboard.dashboard),
    *(power.stop, power.start, labs.destroy, spec.compat),
]
for command in COMMANDS:
    app.command()(command)
app.command("report")(support.report_fault)
# A function of that name would hide Python's own.
app.command("list")(labs.list_labs)
app.add_typer(node.node, name="node")
app.add_typer(power.snapshot, name="snapshot")
app.add_typer(artifacts.artifacts, name="artifacts")
app.add_typer(spec.spec, name="spec")


def _on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Handled like Ctrl-C: clean-up runs, and the exit code is that of an interruption.
    raise KeyboardInterrupt


def _hint_of(error: typer.TyperException) -> str:
    """A hint for a lab given as an argument instead of an option; empty for other errors."""
    context = getattr(error, "ctx", None)
    if context is None or "unexpected extra argument" not in str(error):
        return ""
    takes_lab = any(option.name == "name" for option in context.command.params)
    return f"Name a lab with an option: {context.command_path} --name LAB." if takes_lab else ""


def _code_of(error: BaseException) -> int:
    """Print an error and return its exit code."""
    if state["debug"]:
        traceback.print_exception(error)
    if isinstance(error, typer.TyperException):
        # An invalid command line: typer's exceptions print themselves.
        error.show()  # type: ignore[attr-defined]
        if hint := _hint_of(error):
            report.print_hint(hint)
        return 2
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        error = Interrupted(
            "interrupted", "", "Run the same command again: it continues from this point."
        )
    found = explain(error) if isinstance(error, OSError) else error
    if not isinstance(found, LabError):
        brief = f"{type(error).__name__}: {error}"
        found = LabError(brief, "This is a bug of kubelab.", REPORT)
    report.print_error(found)
    return found.exit_code


def main() -> Any:
    """Run the command line and exit; never returns."""
    begin_in_utf8()
    make_ours()
    # Also for SIGINT, because a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(_code_of(error))
