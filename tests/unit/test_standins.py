"""The scripts that play the part of an image, and the specs of the stories that use them."""

import hashlib
import subprocess

import pytest
import yaml

from provisioner.artifacts.artifact_set import check_inputs, order_of
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.spec import parse_spec
from tests.labs import PROJECT, SharedLab, with_changes
from tests.stories.runner import FOLDER as SCENARIOS
from tests.stories.runner import read_stories

FOLDER = PROJECT / "tests/standins"
SCRIPTS = sorted(FOLDER.rglob("*.sh"))


def test_scenarios_have_the_sums_of_the_scripts():
    builds = yaml.safe_load((PROJECT / "tests/scenarios/weave.yml").read_text())["standins"][
        "builds"
    ]
    given = {
        build["path"].rpartition("/")[2]: build["sha256"]
        for build in builds.values()
        if build["source"] == "file"
    }
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SCRIPTS}
    assert given == found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_reads_them(path):
    subprocess.run(["sh", "-n", str(path)], check=True)


SPECS = [
    pytest.param(story.lab, changes, id=f"{story.file}: {name}")
    for story in read_stories()
    if story.file in ("weave", "late")
    for name, changes in story.specs.items()
]


@pytest.mark.parametrize(("lab", "changes"), SPECS)
def test_a_lab_takes_the_specs_of_the_stories_with_all_that_they_name(lab, changes):
    data = with_changes(SharedLab(lab).data(), changes)
    filled = yaml.safe_load(yaml.safe_dump(data).replace("{scenarios}", str(SCENARIOS)))
    spec = parse_spec(filled, lab, offers)
    workshop = workshop_of(spec.artifacts)
    check_inputs(workshop, order_of(spec, workshop), cached_too=True)
