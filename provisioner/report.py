"""Printing: progress, tables, findings and errors. Only this module and ``cli`` print.

Progress goes to stderr, so that stdout contains only the output of the command.
"""

import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from provisioner.errors import LabError
from provisioner.model import Event, Finding
from provisioner.phases.base import PhaseTime

MARKS = {"ok": ("✔", "green"), "skipped": ("✔", "green"), "failed": ("✘", "red")}
# Columns that a narrow terminal does not show, in the order in which they are left out.
LEFT_OUT = ("sha256", "disk", "memory")
# Columns that move into brackets behind the name if the table is still too wide.
BEHIND = ("version", "source")
ENDLESS = 100_000

# What comes from hosts and specs may have brackets, which rich would take for markup.
out = Console(markup=False)
err = Console(stderr=True, markup=False)
if not out.is_terminal:
    # A pipe has no width: rich would assume 80 columns and fold longer lines.
    out.width = ENDLESS


class Progress:
    """A live line for the current steps, and a permanent line for each finished phase.

    If stderr is not a terminal, a plain line every ten seconds replaces the live line.
    """

    PLAIN_SECONDS = 10.0

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=8, transient=True)
        self.title, self.begin, self.printed_at = "", time.monotonic(), 0.0
        self.open_steps: dict[str, Event] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        is_phase = event.task == self.title or (event.status == "start" and not self.title)
        if is_phase and event.status == "start":
            self.title, self.begin, self.open_steps = event.task, time.monotonic(), {}
            self.printed_at = self.begin
        elif is_phase:
            self._ended(event)
            self.title = ""
        elif event.status in ("start", "progress"):
            self.open_steps[event.task] = event
        else:
            self.open_steps.pop(event.task, None)
        self._show()

    def _ended(self, event: Event) -> None:
        mark, color = MARKS.get(event.status, ("✔", "green"))
        line = Text.assemble((f"{mark} ", color), f"{event.task:<14}", f"{event.seconds:>7.1f} s")
        if event.detail and event.status != "failed":
            line.append(f"   {event.detail}", "dim")
        self.console.print(line)

    def _now(self) -> str:
        """The newest open steps and their progress, in one line."""
        newest = list(self.open_steps.values())[-3:]
        words = []
        for event in newest:
            name = f"{event.host}: {event.task}" if event.host else event.task
            far = "" if event.fraction is None else f" {event.fraction:.0%}"
            words.append(f"{name}{far}" + (f" ({event.detail})" if event.detail else ""))
        return ", ".join(words)

    def _show(self) -> None:
        if not self.title:
            self.live.update(Text(""))
            return
        seconds = time.monotonic() - self.begin
        line = f"{self.title:<14} {seconds:>6.0f} s   {self._now()}"
        if self.console.is_terminal:
            self.live.update(Spinner("dots", Text(line[: self.console.width - 4])))
        elif self.open_steps and time.monotonic() - self.printed_at > self.PLAIN_SECONDS:
            self.printed_at = time.monotonic()
            self.console.print(f"  {line.rstrip()}", highlight=False, soft_wrap=True)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live line while a block runs."""
        if not self.console.is_terminal:
            yield
            return
        with self.live:
            yield


class VerifyProgress(Progress):
    """The live line for checks: every check is a step of one phase without end."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if not self.title:
            super().__call__(Event("verify", "Verify", "start"))
        super().__call__(event)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    out.print_json(json.dumps(document)) if out.is_terminal else print(  # noqa: T201
        json.dumps(document)
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout: at full width in a pipe, fitted to the width of a terminal."""
    cells = [{key: str(cell) for key, cell in zip(columns, row, strict=True)} for row in rows]
    shown, table = list(columns), _fitted_table(title, columns, cells)
    left_out = []
    for key in (key for key in LEFT_OUT if key in columns):
        if not _fits(table):
            left_out.append(key)
            shown.remove(key)
            table = _fitted_table(title, shown, cells)
    if not _fits(table) and "name" in columns:
        table = _fitted_table(title, *_behind_name(shown, cells))
        for column in table.columns:
            # Long states are folded before names are.
            column.max_width = None if "name" in str(column.header) else out.width // 4
    _print_whole(out, table)
    if left_out:
        note = f"Left out in {out.width} columns: {', '.join(left_out)}. --json shows all."
        out.print(Text(note, "dim"), soft_wrap=True)


def _fitted_table(
    title: str, columns: Sequence[str], rows: Sequence[dict[str, str]], gap: int = 2
) -> Table:
    """A table without lines; the gap between columns is smaller if only that makes it fit."""
    table = _empty_table(columns, gap)
    table.title = title or None
    for row in rows:
        table.add_row(*(Text(row[column]) for column in columns))
    if gap > 1 and not _fits(table):
        closer = _fitted_table(title, columns, rows, gap - 1)
        return closer if _fits(closer) else table
    return table


def _empty_table(columns: Sequence[str], gap: int = 2) -> Table:
    """An empty table whose columns fold long cells instead of cutting them off."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, gap, 0, 0))
    table.title_justify = "left"
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _behind_name(
    columns: Sequence[str], rows: Sequence[dict[str, str]]
) -> tuple[list[str], list[dict[str, str]]]:
    """Move the columns of ``BEHIND`` into brackets behind the name."""
    moved = [key for key in columns if key in BEHIND]
    head = f"name ({', '.join(moved)})" if moved else "name"
    kept = [head if key == "name" else key for key in columns if key not in moved]
    merged = []
    for row in rows:
        details = ", ".join(row[key] for key in moved if row[key])
        merged.append({**row, head: row["name"] + (f" ({details})" if details else "")})
    return kept, merged


def _width(table: Table) -> int:
    """The width of a table without folded cells, in characters."""
    return Measurement.get(out, out.options.update(width=ENDLESS), table).maximum


def _fits(table: Table) -> bool:
    """Whether the table fits the terminal without folded cells; always true in a pipe."""
    return not out.is_terminal or _width(table) <= out.width


def _print_whole(console: Console, table: Table) -> None:
    """Print a table; in a pipe no cell is folded, and no line ends in spaces."""
    if console.is_terminal:
        console.print(table)
        return
    text = io.StringIO()
    Console(file=text, width=_width(table), color_system=None, markup=False).print(table)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    console.print(Text("\n".join(lines)), soft_wrap=True)


def print_times(times: Sequence[PhaseTime]) -> None:
    """Print the table of phase times after a recipe."""
    rows = [(t.title, f"{t.seconds:.1f} s", t.outcome) for t in times]
    rows.append(("total", f"{sum(t.seconds for t in times):.1f} s", ""))
    print_table("", ("phase", "time", "what"), rows)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings, one in each row, with hints for the failed ones."""
    _print_whole(out, _table_of(findings))


def _table_of(findings: Sequence[Finding]) -> Table:
    table = _empty_table(("", "check", "time", "answer"))
    for finding in findings:
        mark = Text("✔", "green") if finding.ok else Text("✘", "red")
        answer = _plain(finding.detail + (f"\n→ {finding.hint}" if finding.hint else ""))
        table.add_row(mark, finding.name, f"{finding.seconds:.1f} s", Text(answer))
    return table


def print_choice(profile: str, why: str, findings: Sequence[Finding]) -> None:
    """Print the automatic choice of a profile and its findings on stderr."""
    _print_whole(err, _table_of(findings))
    err.print(Text(f"Profile {profile}: {why}."), soft_wrap=True)


def _plain(text: str) -> str:
    """What a program or a host said, without what would control the terminal."""
    return Text.from_ansi(text).plain.replace("\x1b", "")


def print_notice(text: str) -> None:
    """Print a note on stderr about a command that succeeded."""
    err.print(Text("Note: ", "bold yellow").append(_plain(text)), soft_wrap=True)


def print_error(error: LabError) -> None:
    """Print the three parts of an error on stderr."""
    err.print(Text("Error: ", "bold red").append(_plain(error.brief), "bold"), soft_wrap=True)
    if error.details:
        err.print(Text(_plain(error.details)), soft_wrap=True)
    if error.hint:
        print_hint(error.hint)


def print_hint(text: str) -> None:
    """Print what to type next on stderr."""
    err.print(Text("→ ", "bold").append(_plain(text)), soft_wrap=True)


def print_timings(events: Sequence[dict[str, Any]]) -> None:
    """Print the times of a run: all phases, and the twenty longest tasks."""
    ended = [e for e in events if e["status"] in ("ok", "changed", "skipped", "failed")]
    phases = [
        e for e in ended if not e["host"] and e["phase"] != e["task"] and _is_phase(e, events)
    ]
    total = sum(e["seconds"] for e in phases) or 1.0
    rows = [(e["task"], f"{e['seconds']:.1f} s", f"{e['seconds'] / total:.0%}") for e in phases]
    print_table("by phase", ("phase", "time", "share"), rows)
    longest = sorted((e for e in ended if e not in phases), key=lambda e: -e["seconds"])[:20]
    columns = ("task", "host", "time", "status")
    lines = [(e["task"], e["host"], f"{e['seconds']:.2f} s", e["status"]) for e in longest]
    print_table("\nby task, the longest", columns, lines)


def _is_phase(event: dict[str, Any], events: Sequence[dict[str, Any]]) -> bool:
    """Whether an event is the phase's own: those are the first and the last of its key."""
    first = next(e for e in events if e["phase"] == event["phase"])
    return bool(first["task"] == event["task"])
