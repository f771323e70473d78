"""The rules of the house, as far as a machine can hold them."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
TRACKED = [
    PROJECT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (PROJECT / name).is_file()
]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir() if path.is_dir())


def test_there_is_something_to_look_at():
    assert len(PYTHON) > 30
    assert len(ROLES) >= 7


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(PROJECT)))
def test_rooms_are_small(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 40, node.name


def test_only_the_shell_starts_processes():
    for path in (PROJECT / "provisioner").rglob("*.py"):
        if path.name != "shell.py":
            assert "import subprocess" not in path.read_text(), path


def test_only_the_printers_print():
    allowed = {"report.py", *(p.name for p in (PROJECT / "provisioner/cli").glob("*.py"))}
    for path in (PROJECT / "provisioner").rglob("*.py"):
        if path.name not in allowed:
            assert not re.search(r"^\s*print\(", path.read_text(), re.M), path


def test_no_role_names_an_address_of_the_web():
    for path in TRACKED:
        inside = path.is_relative_to(PROJECT / "roles")
        if inside and path.name != "catalog.yml" and path.suffix != ".md":
            assert not re.search(r"https?://", path.read_text()), path


def test_playbooks_are_short():
    for path in (PROJECT / "playbooks").glob("*.yml"):
        assert path.read_text().count("\n") <= 40, path


@pytest.mark.parametrize("role", ROLES)
def test_every_role_explains_itself(role):
    folder = PROJECT / "roles" / role
    assert (folder / "README.md").is_file()
    defaults = {}
    for path in (folder / "defaults").rglob("*.yml"):
        defaults |= yaml.safe_load(path.read_text()) or {}
    specs = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
    options = specs["main"]["options"]
    assert set(options) == set(defaults)
    for name, option in options.items():
        assert option["description"], name
        if "default" in option:
            assert option["default"] == defaults[name], name


def test_the_layers_of_the_package_are_all_named():
    text = (PROJECT / "pyproject.toml").read_text()
    layers = re.search(r"layers = \[(.*?)\]", text, re.S)[1]
    named = set(re.findall(r"\w+", layers))
    found = {
        path.stem
        for path in (PROJECT / "provisioner").iterdir()
        if path.stem not in ("__init__", "__pycache__")
    }
    assert found == named


def test_the_targets_of_the_readme_exist():
    readme = (PROJECT / "README.md").read_text()
    makefile = (PROJECT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z0-9-]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.M), target
