"""docs/tested.yml: every claim has evidence, every check exists, and the page is what it says."""

import datetime
import importlib.util
import re
from pathlib import Path

import pytest
import typer
import yaml

from provisioner.cli import app

PROJECT = Path(__file__).resolve().parents[3]
DATA = yaml.safe_load((PROJECT / "docs/tested.yml").read_text())
ENTRIES = [entry for area in DATA["areas"].values() for entry in area]
STATES = ("works", "once", "partly", "fails", "not run")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.M))
COMMANDS = set(typer.main.get_command(app).commands)


def rendered() -> str:
    path = PROJECT / "docs/tested.py"
    spec = importlib.util.spec_from_file_location("tested", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rendered(DATA)


def missing_of(check: str) -> list[str]:
    """What a check names and the project does not have."""
    first, *words = check.split()
    paths = [word for word in (first, *words) if re.search(r"\w/\w", word) and "=" not in word]
    missing = [path for path in paths if not (PROJECT / path).is_file()]
    known = {"make": TARGETS, "kubelab": COMMANDS, "ansible-playbook": set(words[:1])}
    if first in known:
        return missing + [word for word in words[:1] if word not in known[first]]
    return missing if paths else [first]


def test_the_page_is_what_the_entries_render_to():
    page = (PROJECT / "docs/tested.md").read_text()
    assert page == rendered(), "run `make docs`"
    assert page.count("\n") < 200


def test_claims_are_few_and_each_is_made_once():
    claims = [entry["claim"] for entry in ENTRIES]
    assert len(claims) == len(set(claims)) < 95


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["claim"])
def test_an_entry_has_its_evidence(entry):
    assert {"claim", "check", "date", "commit", "state"} <= set(entry)
    assert set(entry) <= {"claim", "check", "date", "commit", "state", "note"}
    assert entry["state"] in STATES
    assert len(entry["claim"]) <= 100
    assert len(entry.get("note", "")) <= 100
    if entry["state"] in ("partly", "fails", "not run"):
        assert entry["note"]
    if entry["state"] != "not run":
        assert isinstance(entry["date"], datetime.date)
        assert re.fullmatch("[0-9a-f]{7,12}", entry["commit"])
    assert missing_of(entry["check"]) == []


@pytest.mark.parametrize(
    "check",
    ["tests/lab/test_gone.py", "make nothing", "kubelab nothing", "something", "make bench a/b.py"],
)
def test_a_check_that_does_not_exist_is_found(check):
    assert missing_of(check)
