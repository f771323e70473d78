"""Commands for lab specs and for the compatibility matrix."""

import json
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Profile, SpecFile, chosen_spec
from provisioner.compat import LINES, RULES, matrix, page
from provisioner.spec import LabSpec

spec = typer.Typer(help="Lab specs.", no_args_is_help=True)


def compat(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/compat.md.")] = False,
) -> None:
    """Show which operating systems and versions of Kubernetes are compatible, and the rules."""
    if as_json:
        report.print_json({"matrix": matrix(), "rules": [vars(rule) for rule in RULES]})
        return
    if markdown:
        print(page(), end="")  # noqa: T201
        return
    by_os = matrix()
    rows = [(line, *(by_os[os][line] or "possible" for os in by_os)) for line in LINES]
    report.print_table("Kubernetes with docker", ("", *by_os), rows)
    report.print_table("rules", ("because", "source"), [(r.why, r.source) for r in RULES])


@spec.command()
def schema() -> None:
    """Print the JSON Schema of lab specs."""
    print(json.dumps(LabSpec.model_json_schema(), indent=2))  # noqa: T201


@spec.command()
def check(profile: Profile = "", file: SpecFile = None, as_json: Json = False) -> None:
    """Check a spec and print its faults. The exit code is 2 if there are any."""
    found = chosen_spec(profile, file, "")
    if as_json:
        report.print_json(found.model_dump())
    else:
        report.out.print(f"{found.name}: {len(found.nodes)} nodes, no fault", highlight=False)
