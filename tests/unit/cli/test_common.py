"""What a command leaves: nothing if it was refused, and the reason of a choice with the lab."""

import json
from dataclasses import replace

import pytest

from provisioner.artifacts.offer import offers
from provisioner.cli.common import run_with_progress
from provisioner.context import make_context
from provisioner.errors import HostError
from provisioner.lab import Lab, home, profiles
from provisioner.phases.base import Phase
from provisioner.phases.machines import SaveSpec
from provisioner.spec import read_spec

CHOICE = {"profile": "embedded", "why": "no KVM"}


class Refuse(Phase):
    key = "host"
    title = "Host"

    def run(self, context):
        raise HostError("no")


@pytest.fixture
def context():
    found = make_context(Lab("embedded"), read_spec(profiles()["embedded"], offers))
    return replace(found, choice=CHOICE)


def test_a_command_that_is_refused_leaves_no_file_of_the_lab(context):
    with pytest.raises(HostError):
        run_with_progress([Refuse(), SaveSpec()], context, "up")
    assert list(home().iterdir()) == []


def test_a_command_that_fails_later_leaves_the_lab_with_its_events_and_its_choice(context):
    with pytest.raises(HostError):
        run_with_progress([SaveSpec(), Refuse()], context, "up")
    lab = context.lab
    assert json.loads(lab.choice_file.read_text()) == CHOICE
    assert lab.exists
    assert lab.latest_run() is not None
    assert {path.name for path in home().iterdir()} == {"embedded", ".embedded.lock"}


def test_a_lab_keeps_the_reason_that_it_was_made_for(context):
    run_with_progress([SaveSpec()], context, "up")
    run_with_progress([SaveSpec()], replace(context, choice={"profile": "other"}), "up")
    assert json.loads(context.lab.choice_file.read_text()) == CHOICE
