"""The command that helps others to find a fault."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, existing
from provisioner.queries.bundle import bundle_of

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="The archive to write.", show_default=False),
]


def report_fault(name: Name = "", output: Output = None, as_json: Json = False) -> None:
    """Write one archive to send with a report of a fault: versions, spec, events, logs, no secrets.

    It needs no cluster that works, and may run beside another command.
    """
    found = bundle_of(existing(name), output)
    if as_json:
        members, missing = list(found.members), dict(found.missing)
        report.print_json({"archive": str(found.path), "members": members, "missing": missing})
        return
    for member in found.missing:
        report.print_notice(f"{member} could not be had: see missing.json in the archive.")
    report.out.print(str(found.path), highlight=False, soft_wrap=True)
    report.print_hint("Look through it before you send it: names and addresses are in it.")
