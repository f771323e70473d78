"""Writes docs/tested.md from docs/tested.yml: ``python docs/tested.py``, or ``make docs``."""

from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).resolve().parent
SOURCE, PAGE = DOCS / "tested.yml", DOCS / "tested.md"
HEAD = """\
# What was tested, and what was not

Written by `make docs` from [tested.yml](tested.yml). A test fails if this page is not what that
file says, or if a check names a file or a command that does not exist.

| state | meaning |
|---|---|
| works | the check passed at the commit named |
| once | seen once, by hand; no test repeats it |
| partly | seen in part; the note says what was not |
| fails | the check failed; the note says how |
| not run | written, linted or rendered; nobody has seen it work |

All runs: {machine}. "By emulation": by QEMU without KVM.
"""


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def _row(entry: dict[str, Any]) -> str:
    cells = (
        _cell(entry["claim"]),
        f"`{entry['check']}`",
        entry["date"] or "",
        entry["commit"],
        entry["state"],
        _cell(entry.get("note", "")),
    )
    return f"| {' | '.join(map(str, cells))} |"


def rendered(data: dict[str, Any]) -> str:
    """The page: one table an area, one row a claim."""
    parts = [HEAD.format(machine=data["machine"])]
    for area, entries in data["areas"].items():
        head = ["| claim | check | date | commit | state | note |", "|---|---|---|---|---|---|"]
        parts.append("\n".join([f"## {area}", "", *head, *map(_row, entries)]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(rendered(yaml.safe_load(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
