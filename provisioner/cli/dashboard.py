"""The command that opens a lab's dashboard."""

import os
import webbrowser
from collections.abc import Generator
from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from provisioner import report
from provisioner.cli.common import Json, Name, existing
from provisioner.errors import LabError
from provisioner.queries.dashboard import find_page, make_token
from provisioner.queries.forward import check_forward, forwarded

PORT = 8090


class User(StrEnum):
    """The service accounts of a dashboard."""

    ADMIN = "admin-user"
    VIEWER = "viewer"


def _open(url: str) -> None:
    """Open a browser if there is a display."""
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        webbrowser.open(url)


def _print_answer(answer: dict[str, str], warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        report.print_json({**answer, "warnings": warnings})
    else:
        for key in ("url", "user", "token"):
            if answer[key]:
                report.out.print(f"{key}: {answer[key]}", highlight=False, soft_wrap=True)
    for warning in warnings:
        report.print_notice(f"{warning}.")


def _forward(
    told: Generator[str, None, None], answer: dict[str, str], warnings: list[str], *, as_json: bool
) -> None:
    """Print the answer once the forward stands, and what is told of the forward until Ctrl-C."""
    try:
        with closing(told):
            first = next(told)
            _print_answer(answer, warnings, as_json=as_json)
            report.err.print(f"{first}, until Ctrl-C.", highlight=False, soft_wrap=True)
            _open(answer["url"])
            for line in told:
                report.err.print(line, highlight=False, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        # Ctrl-C is the normal end of the command.
        report.err.print("The forward has ended.")


def dashboard(
    name: Name = "",
    user: Annotated[
        User | None,
        typer.Option(help="Account of the token; default: admin-user, if the page has a login."),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print URL and token only: no forward, no browser.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Local port of the forward.")] = PORT,
    as_json: Json = False,
) -> None:
    """Open the dashboard: print URL and token, and forward a port until Ctrl-C if needed."""
    context = existing(name)
    kubectl = context.kubectl
    page = find_page(kubectl)
    if page is None:
        hint = "Add `dashboard: kube-web-view` to its spec, and run `kubelab up -f FILE`."
        raise LabError(f"lab {context.lab.name} has no dashboard", "", hint)
    forwards = not (print_only or page.opened)
    if forwards:
        check_forward(kubectl, port)
    whose = user or (User.ADMIN if page.login else None)
    url = page.url(context.first_control_plane.address, port)
    answer = {"dashboard": page.name, "exposure": page.exposure, "url": url}
    answer |= {"user": whose or "", "token": make_token(kubectl, page, whose) if whose else ""}
    warnings = list(page.warnings(whose or "", forwarded=forwards))
    if not forwards:
        _print_answer(answer, warnings, as_json=as_json)
        if not print_only:
            _open(url)
        return
    _forward(forwarded(kubectl, page, port), answer, warnings, as_json=as_json)
