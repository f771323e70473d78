"""Tables in READMEs of roles, made from argument_specs by python -m tests.role_readmes."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"
BEGIN, END = (
    "<!-- made from meta/argument_specs.yml by python -m tests.role_readmes -->",
    "<!-- end -->",
)
PART = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)


def specs_of(role: str) -> dict[str, Any]:
    """The entry points of a role."""
    text = (ROLES / role / "meta/argument_specs.yml").read_text()
    return yaml.safe_load(text)["argument_specs"]


def _default(option: dict[str, Any]) -> str:
    return f"`{json.dumps(option['default'])}`" if "default" in option else ""


def _meaning(option: dict[str, Any]) -> str:
    text = option["description"].strip().removesuffix(".")
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", []))
    return f"{text} ({choices})" if choices else text


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def tables(specs: dict[str, Any]) -> str:
    """The table of entry points, where there are several, and that of variables."""
    parts = []
    if len(specs) > 1:
        rows = [(f"`{name}`", spec["short_description"]) for name, spec in specs.items()]
        parts.append(_table(("tasks", "what they do"), rows))
    options = specs["main"]["options"]
    if options:
        rows = [(f"`{name}`", _default(o), _meaning(o)) for name, o in options.items()]
        parts.append(_table(("variable", "default", "meaning"), rows))
    return "\n\n".join("\n".join(part) for part in parts)


def updated(role: str) -> str:
    """A role's README with its tables as they have to be."""
    text = (ROLES / role / "README.md").read_text()
    part = f"{BEGIN}\n{tables(specs_of(role))}\n{END}"
    if PART.search(text):
        return PART.sub(lambda _: part, text)
    return f"{text.rstrip()}\n\n{part}\n"


def main() -> None:
    """Write the tables of all roles."""
    for path in ROLES.iterdir():
        # The catalogue is documented in its own files.
        if path.is_dir() and path.name != "artifacts":
            (path / "README.md").write_text(updated(path.name))


if __name__ == "__main__":
    main()
