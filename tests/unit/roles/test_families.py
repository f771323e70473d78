"""What differs by distribution is in vars/, and every family answers the same questions."""

from pathlib import Path

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import regex_search
from ansible.plugins.test.core import version_compare

ROLES = Path(__file__).parents[3] / "roles"
FAMILIES = sorted(ROLES.glob("*/vars/RedHat*.yml"))


def test_there_are_families():
    assert ROLES / "node/vars/RedHat-7.yml" in FAMILIES


@pytest.mark.parametrize("path", FAMILIES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_a_family_says_what_the_others_say(path):
    debian = yaml.safe_load(path.with_name("Debian.yml").read_text())
    assert set(yaml.safe_load(path.read_text())) == set(debian)


@pytest.mark.parametrize(
    "path", [p for p in FAMILIES if p.parts[-3] == "node"], ids=lambda p: p.stem
)
def test_the_tasks_of_a_family_are_there(path):
    for name in yaml.safe_load(path.read_text())["node_family_tasks"]:
        assert yaml.safe_load((ROLES / f"node/tasks/{name}.yml").read_text())


@pytest.mark.parametrize(
    ("kernel", "sound"),
    [
        ("3.10.0-1127.el7.x86_64", True),
        ("3.10.0-1160.119.1.el7.x86_64", True),
        ("3.10.0-1062.4.1.el7.x86_64", True),
        ("3.10.0-1062.el7.x86_64", False),
        ("3.10.0-957.27.2.el7.x86_64", False),
        ("5.4.278-1.el7.elrepo.x86_64", True),
    ],
)
def test_a_kernel_that_loses_memory_is_known(kernel, sound):
    _, refuse = yaml.safe_load((ROLES / "node/tasks/kmem.yml").read_text())
    environment = jinja2.Environment(autoescape=False)
    environment.filters["regex_search"] = regex_search
    environment.tests["version"] = version_compare
    facts = {"ansible_facts": {"kernel": kernel}, "node_kmem": {"stdout": "0"}}
    number = environment.from_string(refuse["vars"]["node_kernel"]).render(facts)
    that = environment.compile_expression(refuse["ansible.builtin.assert"]["that"])
    assert that(**facts, node_kernel=number) is sound
