"""docs/reference.md names every key of a spec and every command, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from provisioner.cli import app
from provisioner.spec import LabSpec

PROJECT = Path(__file__).resolve().parents[3]
TEXT = (PROJECT / "docs/reference.md").read_text()


def rows_of(title: str) -> list[str]:
    """The first cells of the table under a heading."""
    section = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|(?: |$)", section.replace("\\|", "/"), re.M)
    return [cell for cell in cells if cell.startswith("`")]


def keys_of(schema: dict, part: dict, path: str = "") -> Iterator[str]:
    """The keys of a spec that have no keys below them, as the reference writes them."""
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
    choices = [*part.get("anyOf", []), *part.get("oneOf", [])]
    below = {**part.get("properties", {})}
    if part.get("type") == "array":
        yield from keys_of(schema, part["items"], f"{path}[]")
    elif choices:
        for choice in choices:
            yield from keys_of(schema, choice, path)
    elif below:
        for name, value in below.items():
            yield from keys_of(schema, value, f"{path}.{name}".lstrip("."))
    else:
        yield path


def told_keys() -> set[str]:
    told = set()
    for cell in rows_of("The lab spec"):
        first, *others = re.findall(r"`([^`]+)`", cell)
        folder = first.rpartition(".")[0]
        told |= {first, *(f"{folder}{name}" for name in others)}
    return {key.removesuffix("[]") for key in told}


def commands_of(command: object, path: str) -> Iterator[str]:
    below = getattr(command, "commands", {})
    for name, one in below.items():
        yield from commands_of(one, f"{path} {name}".strip())
    if not below:
        yield path


def told_commands() -> set[str]:
    told = set()
    for cell in rows_of("Commands"):
        for words in re.findall(r"`kubelab ([^`]+)`", cell):
            names = re.match(r"[a-z]+(?: [a-z]+(?:/[a-z]+)*)?(?= |$)", words)[0]
            first, _, rest = names.partition(" ")
            told |= {f"{first} {name}".strip() for name in rest.split("/")}
    return told


def test_every_key_of_a_spec_is_told_and_no_other():
    schema = LabSpec.model_json_schema()
    found = {key.removesuffix("[]") for key in keys_of(schema, schema)}
    assert told_keys() == found


def test_every_command_is_told_and_no_other():
    assert told_commands() == set(commands_of(typer.main.get_command(app), ""))
