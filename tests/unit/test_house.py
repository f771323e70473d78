"""The rules of the house, as far as a machine can hold them."""

import ast
import re
import subprocess
from collections.abc import Iterator
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
PACKAGE = {
    str(path.relative_to(PROJECT)): path
    for path in PYTHON
    if path.is_relative_to(PROJECT / "provisioner")
}
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir() if path.is_dir())

FILE_LINES, FUNCTION_LINES, PLAYBOOK_LINES = 300, 40, 30
# Ways to start a process, or to become another program, that a module of the package may use.
STARTS = {
    "provisioner/shell.py": {"subprocess"},
    # `kubelab ssh` and `kubelab kubectl` become that program: it has the terminal to itself.
    "provisioner/cli/access.py": {"os.execvp"},
    # kubelab itself, once more.
    "provisioner/surroundings.py": {"os.execv"},
}
READERS_OF_YAML = {"yaml.load", "yaml.safe_load", "yaml.load_all", "yaml.safe_load_all"}
STARTING_MODULES = {"subprocess", "multiprocessing", "pty"}
# What python-vagrant raises is caught by its name; that starts nothing.
HARMLESS = {"subprocess.CalledProcessError"}
STARTING_CALLS = re.compile(r"os\.(exec\w+|spawn\w+|posix_spawnp?|system|popen|fork|forkpty)")


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an expression that is one; else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module and every name of a module that is imported, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> set[str]:
    return {dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def starts_in(text: str) -> set[str]:
    """The ways in which a module starts processes."""
    tree = ast.parse(text)
    names = {*imported(tree), *calls(tree)} - HARMLESS
    modules = {name.partition(".")[0] for name in names} & STARTING_MODULES
    return modules | {name for name in names if STARTING_CALLS.fullmatch(name)}


def too_long(path: Path) -> list[str]:
    text = path.read_text()
    found = [name_of(path)] if text.count("\n") > FILE_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            found += [f"{name_of(path)}: {node.name}"] if lines > FUNCTION_LINES else []
    return found


def test_there_is_something_to_look_at():
    assert len(PYTHON) > 30
    assert len(PACKAGE) > 30


def test_files_and_functions_are_small():
    assert [fault for path in PYTHON for fault in too_long(path)] == []


def test_only_the_shell_starts_processes():
    found = {name: starts_in(path.read_text()) for name, path in PACKAGE.items()}
    assert {name: ways for name, ways in found.items() if ways} == STARTS


@pytest.mark.parametrize(
    "line",
    [
        *("import subprocess", "from subprocess import run", "import multiprocessing.pool"),
        *("import os\nos.execvp('a', ['a'])", "import os\nos.spawnl(0)", "from os import system"),
    ],
)
def test_that_rule_sees_every_way_to_start_a_process(line):
    assert starts_in(line)


def test_only_the_printers_print():
    writers = {"print", "sys.stdout.write", "sys.stderr.write"}
    found = {n for n, path in PACKAGE.items() if calls(ast.parse(path.read_text())) & writers}
    allowed = {"provisioner/report.py", *(n for n in PACKAGE if n.startswith("provisioner/cli/"))}
    assert found - allowed == set()


def test_yaml_of_others_is_read_by_the_reader_that_has_limits():
    found = {n for n, p in PACKAGE.items() if calls(ast.parse(p.read_text())) & READERS_OF_YAML}
    # The catalogue is our own.
    assert found == {"provisioner/spec/load.py", "provisioner/catalog/load.py"}


def test_no_role_names_an_address_of_the_web():
    catalogue = PROJECT / "roles/artifacts/defaults/main"
    for path in TRACKED:
        inside = path.is_relative_to(PROJECT / "roles") and not path.is_relative_to(catalogue)
        if inside and path.suffix != ".md":
            assert not re.search(r"https?://", path.read_text()), path


def test_playbooks_are_short():
    playbooks = (PROJECT / "playbooks").glob("*.yml")
    lines = {name_of(path): path.read_text().count("\n") for path in playbooks}
    assert lines
    assert {name: count for name, count in lines.items() if count > PLAYBOOK_LINES} == {}


def roles_named() -> set[str]:
    """Every role that a playbook runs, or that another role brings in."""
    named: set[str] = set()

    def look(value: object) -> None:
        if isinstance(value, list):
            for part in value:
                look(part)
        elif isinstance(value, dict):
            for key, part in value.items():
                short = str(key).rpartition(".")[2]
                if short in ("import_role", "include_role") and isinstance(part, dict):
                    named.add(part["name"])
                elif short in ("roles", "dependencies"):
                    named.update(x if isinstance(x, str) else x.get("role", "") for x in part)
                look(part)

    for path in [p for p in TRACKED if p.suffix == ".yml"]:
        if path.is_relative_to(PROJECT / "playbooks") or path.is_relative_to(PROJECT / "roles"):
            look(yaml.safe_load(path.read_text()))
    return named - {""}


def test_every_role_is_used_and_every_role_that_is_used_exists():
    # The catalogue is a folder of data; Python reads it too.
    assert roles_named() | {"artifacts"} == set(ROLES)


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


# Modules that have no mirror in tests/unit, and the file that covers each.
COVERED = {
    "artifacts/artifact_set.py": "tests/unit/artifacts/sources/test_local_file.py",
    "artifacts/image_pins.py": "tests/registry/test_images.py",
    "artifacts/registry.py": "tests/registry/test_images.py",
    "artifacts/registry_faults.py": "tests/registry/test_images.py",
    "artifacts/sources/oci.py": "tests/registry/test_images.py",
    "artifacts/docker_store.py": "tests/unit/providers/nspawn/test_baked.py",
    "artifacts/locking.py": "tests/registry/test_lock.py",
    "artifacts/manifest.py": "tests/unit/catalog/test_components.py",
    "artifacts/offer.py": "tests/unit/catalog/test_components.py",
    "artifacts/reachability.py": "tests/unit/artifacts/test_download.py",
    "artifacts/sources/__init__.py": "tests/unit/catalog/test_load.py",
    "artifacts/sources/base.py": "tests/unit/artifacts/test_build.py",
    "artifacts/sources/pypi.py": "tests/unit/queries/test_dashboard.py",
    "artifacts/sources/upstream.py": "tests/unit/artifacts/test_download.py",
    "artifacts/steps.py": "tests/unit/artifacts/sources/test_local_file.py",
    "catalog/compat_facts.py": "tests/unit/test_compat.py",
    "catalog/consistency.py": "tests/unit/catalog/test_load.py",
    "catalog/model.py": "tests/unit/catalog/test_load.py",
    "checks/components.py": "tests/unit/catalog/test_components.py",
    "checks/kubectl.py": "tests/unit/cli/test_access.py",
    "checks/questions.py": "tests/unit/checks/test_verify.py",
    "checks/runtimes.py": "tests/scenarios/lifecycle.yml",
    "cli/__init__.py": "tests/unit/cli/test_words.py",
    "cli/artifacts.py": "tests/stories/test_refusals.py",
    "cli/dashboard.py": "tests/stories/test_dashboard.py",
    "cli/lab.py": "tests/scenarios/lifecycle.yml",
    "cli/labs.py": "tests/stories/test_life.py",
    "cli/power.py": "tests/scenarios/power.yml",
    "cli/spec.py": "tests/scenarios/documents.yml",
    "cli/support.py": "tests/scenarios/causes.yml",
    "context.py": "tests/unit/test_recipes.py",
    "errors.py": "tests/unit/cli/test_words.py",
    "event_log.py": "tests/unit/test_lab.py",
    "host_packages.py": "tests/unit/phases/test_host.py",
    "host_questions.py": "tests/unit/queries/test_doctor.py",
    "model.py": "tests/unit/providers/test_contract.py",
    "phases/artifacts.py": "tests/unit/test_recipes.py",
    "phases/nodes.py": "tests/scenarios/node.yml",
    "phases/snapshots.py": "tests/unit/test_recipes.py",
    "providers/libvirt/errors.py": "tests/unit/providers/libvirt/test_snapshots.py",
    "providers/base.py": "tests/contract/provider.py",
    "providers/libvirt/diagnosis.py": "tests/unit/providers/libvirt/test_provider.py",
    "providers/libvirt/emulation.py": "tests/vm/test_smoke.py",
    "providers/libvirt/plugins.py": "tests/unit/providers/libvirt/test_preflight.py",
    "providers/libvirt/pool.py": "tests/unit/providers/libvirt/test_hypervisor.py",
    "providers/libvirt/vagrantcli.py": "tests/unit/providers/libvirt/test_provider.py",
    "providers/nspawn/provider.py": "tests/contract/test_nspawn.py",
    "providers/registry.py": "tests/unit/test_recipes.py",
    "providers/routes.py": "tests/unit/providers/nspawn/test_network.py",
    "providers/ssh.py": "tests/unit/providers/nspawn/test_machine.py",
    "queries/status.py": "tests/unit/test_recipes.py",
    "queries/verify.py": "tests/scenarios/lifecycle.yml",
    "render.py": "tests/unit/test_vagrantfile.py",
    "spec/__init__.py": "tests/unit/spec/test_read.py",
    "spec/fields.py": "tests/unit/spec/test_read.py",
    "spec/section.py": "tests/unit/spec/test_read.py",
    "spec/rules.py": "tests/unit/test_compat.py",
    "spec/shape.py": "tests/unit/spec/test_mutations.py",
}


def has_code(path: Path) -> bool:
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def mirror_of(module: str) -> Path:
    folder, _, name = module.rpartition("/")
    return PROJECT / "tests/unit" / folder / f"test_{name}"


def test_every_module_has_its_mirror_or_is_covered_elsewhere():
    modules = {n.removeprefix("provisioner/") for n, path in PACKAGE.items() if has_code(path)}
    bare = {module for module in modules if not mirror_of(module).is_file()}
    assert bare - set(COVERED) == set(), "write its test, or say in COVERED what covers it"
    assert set(COVERED) - bare == set(), "it has a mirror now, or is gone"
    assert [place for place in COVERED.values() if not (PROJECT / place).is_file()] == []
