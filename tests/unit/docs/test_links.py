"""Documents lead somewhere: links, paths and commands that they name exist."""

import re
import subprocess
from pathlib import Path

import pytest
import typer

from provisioner.cli import app

PROJECT = Path(__file__).resolve().parents[3]
ARCHITECTURE = PROJECT / "docs/architecture.md"
LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
TRACKED = subprocess.run(
    LISTED, cwd=PROJECT, capture_output=True, text=True, check=True
).stdout.splitlines()
PAGES = [PROJECT / name for name in TRACKED if name.endswith(".md") and (PROJECT / name).is_file()]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.M))
ROOMS = ("provisioner/", "roles/", "playbooks/", "profiles/", "tests/", "docs/", "benchmarks/")
# Words of CHANGELOG.md are of their time: a command that was renamed stays in it.
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]


# What a reader takes at one sitting.
LINES = {"README.md": 200, "CONTRIBUTING.md": 100, "docs/benchmarks.md": 120, "docs/tested.md": 200}


def named(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    words = (re.sub(r"[^\w -]", "", heading.lower()) for heading in headings)
    return {word.replace(" ", "-") for word in words}


def dead_links_of(page: Path) -> list[str]:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        place, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.parent / place).resolve() if place else page
        if not found.exists() or (anchor and anchor not in anchors_of(found)):
            dead.append(target)
    return dead


def missing_paths_of(text: str) -> list[str]:
    """Paths of the project in backquotes that are not there; a pattern may match any file."""
    words = re.findall(r"`([\w./*-]+)`", text)
    paths = [word for word in words if word.startswith(ROOMS)]
    return [path for path in paths if not list(PROJECT.glob(path.rstrip("/")))]


def unknown_commands_of(text: str) -> list[str]:
    """Targets of make and commands of kubelab that a page names and nobody has."""
    root = typer.main.get_command(app)
    unknown = [f"make {x}" for x in re.findall(r"\bmake ([a-z][a-z0-9-]+)", code_of(text))]
    unknown = [x for x in unknown if x.removeprefix("make ") not in TARGETS]
    for first, second in re.findall(r"\bkubelab ([a-z]+)(?: ([a-z]+))?", code_of(text)):
        command = root.commands.get(first)
        below = getattr(command, "commands", None)
        if command is None or (below and second and second not in below):
            unknown.append(f"kubelab {first} {second}".strip())
    return unknown


def code_of(text: str) -> str:
    """What a page shows as something to type: blocks and words in backquotes, without comments."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    typed = re.findall(r"^[#$] (.+)$", "\n".join(blocks), re.M)
    words = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return "\n".join(re.sub(r" # .*", "", line) for line in [*typed, *words])


def rows_of(title: str) -> list[str]:
    """The rows of the table under a heading of docs/architecture.md."""
    section = ARCHITECTURE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    assert dead_links_of(page) == []


@pytest.mark.parametrize("page", CURRENT, ids=named)
def test_paths_that_a_page_names_exist(page):
    assert missing_paths_of(page.read_text()) == []


@pytest.mark.parametrize("page", CURRENT, ids=named)
def test_commands_that_a_page_names_exist(page):
    assert unknown_commands_of(page.read_text()) == []


@pytest.mark.parametrize("name", LINES)
def test_pages_stay_short(name):
    assert (PROJECT / name).read_text().count("\n") < LINES[name]


def test_each_change_has_a_room_that_exists():
    rows = rows_of("Ten changes and their room")
    assert len(rows) == 10
    for row in rows:
        assert "`" in row.split("|")[2], row
        assert missing_paths_of(row) == []


def test_every_room_of_the_package_and_every_role_is_on_the_plan():
    text = ARCHITECTURE.read_text()
    rooms = {"/".join(name.split("/")[:2]) for name in TRACKED if (PROJECT / name).is_file()}
    rooms = {room for room in rooms if room.startswith(("provisioner/", "roles/"))}
    for room in rooms - {"provisioner/__init__.py"}:
        assert re.search(rf"`{re.escape(room)}/?`", text), room


def test_the_glossary_explains_its_words_once_and_in_order():
    words = [row.split("|")[1].strip() for row in rows_of("Glossary")]
    assert len(words) >= 30
    assert words == sorted(set(words), key=str.lower)


def test_what_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](gone.md) [b](#one) [c](#two) [d](https://example.org/x)\n")
    assert dead_links_of(page) == ["gone.md", "#two"]
    assert missing_paths_of("`roles/gone` `roles/node` `roles/*/README.md`") == ["roles/gone"]
    typed = "`make gone` `kubelab gone` `kubelab node gone`\n```console\n# kubelab status\n```\n"
    assert unknown_commands_of(typed) == ["make gone", "kubelab gone", "kubelab node gone"]
