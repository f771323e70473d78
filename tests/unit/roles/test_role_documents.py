"""Every entry point of a role has its arguments written down, and the README shows them."""

import pytest
import yaml

from tests.role_readmes import ROLES, specs_of, updated
from tests.unit.roles.manifests import read

NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
USES = ("ansible.builtin.import_role", "ansible.builtin.include_role")


def tasks_of(node):
    for task in node or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))


def entry_points_in_use():
    """Each tasks_from of a role or a playbook, as (role, name)."""
    files = [*ROLES.glob("*/tasks/**/*.yml"), *(ROLES.parent / "playbooks").glob("*.yml")]
    for path in files:
        plays = yaml.safe_load(path.read_text())
        of_plays = [task for play in plays for task in play.get("tasks", [])]
        tasks = of_plays if any("hosts" in play for play in plays) else plays
        for task in tasks_of(tasks):
            for use in USES:
                if use in task:
                    yield task[use]["name"], task[use].get("tasks_from", "main")


@pytest.mark.parametrize("role", [name for name in NAMES if name != "artifacts"])
def test_the_readme_is_up_to_date(role):
    """`python -m tests.role_readmes` writes it."""
    assert (ROLES / role / "README.md").read_text() == updated(role)


@pytest.mark.parametrize("role", [name for name in NAMES if name != "artifacts"])
def test_the_readme_fits_one_screen_and_has_a_play(role):
    text = (ROLES / role / "README.md").read_text().partition("<!--")[0]
    assert text.count("\n") <= 40
    assert "```yaml" in text
    assert yaml.safe_load(text.partition("```yaml")[2].partition("```")[0])


# The catalogue has data for kubelab, and no arguments.
@pytest.mark.parametrize("role", [name for name in NAMES if name != "artifacts"])
def test_arguments_and_defaults_are_the_same(role):
    folder = ROLES / role / "defaults"
    defaults = {k: v for path in folder.rglob("*.yml") for k, v in read(path).items()}
    specs = specs_of(role)
    assert set(specs["main"]["options"]) == set(defaults)
    for spec in specs.values():
        for name, option in spec["options"].items():
            assert option["description"], name
            assert option["type"], name
            # Ansible refuses the two together, and only as it runs.
            assert not {"required", "default"} <= set(option), name
            if "default" in option:
                assert option["default"] == defaults[name], name
            else:
                templated = isinstance(defaults[name], str | list) and "{{" in str(defaults[name])
                assert templated or role == "artifacts", f"{name} has a default"


@pytest.mark.parametrize("role", [name for name in NAMES if name != "artifacts"])
def test_an_entry_point_has_its_tasks(role):
    for name in specs_of(role):
        assert (ROLES / role / f"tasks/{name}.yml").is_file(), name


def test_every_entry_point_in_use_is_written_down():
    used = set(entry_points_in_use())
    assert ("cni", "node") in used
    assert ("runtime", "run") in used
    for role, name in used:
        assert name in specs_of(role), f"{role}: {name}"
