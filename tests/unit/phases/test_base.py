import pytest

from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.phases.base import Done, Phase, run_recipe
from provisioner.playbooks import Recap


class FakePhase(Phase):
    def __init__(self, key, needed=True, error=None, leaves=None):
        self.key, self.title = key, key.title()
        self._needed, self._error, self.ran = needed, error, False
        self._leaves, self.found = leaves, None

    def needed(self, context):
        return self._needed

    def run(self, context):
        self.ran, self.found = True, context.recap
        if self._error:
            raise self._error
        return Done("done", recap=self._leaves)


@pytest.fixture
def context(events):
    return Context(None, None, None, events.append)


@pytest.fixture
def events():
    return []


def test_phases_run_in_order_and_say_how_long_they_took(context, events):
    outcome = run_recipe([FakePhase("one"), FakePhase("two")], context)
    assert [time.key for time in outcome.times] == ["one", "two"]
    assert [(e.phase, e.status) for e in events] == [
        ("one", "start"),
        ("one", "ok"),
        ("two", "start"),
        ("two", "ok"),
    ]


def test_a_phase_that_is_not_needed_does_nothing(context, events):
    phase = FakePhase("one", needed=False)
    (time,) = run_recipe([phase], context).times
    assert not phase.ran
    assert time.outcome == "nothing to do"
    assert events[-1].status == "skipped"


def test_after_a_failure_nothing_more_starts(context, events):
    last = FakePhase("two")
    with pytest.raises(LabError, match="broken"):
        run_recipe([FakePhase("one", error=LabError("broken")), last], context)
    assert not last.ran
    assert events[-1].status == "failed"


def test_what_a_phase_leaves_is_there_for_those_after_it(context):
    last = FakePhase("three")
    recap = Recap({"worker1": {"changed": 2}})
    outcome = run_recipe([FakePhase("one", leaves=recap), FakePhase("two"), last], context)
    assert last.found is recap
    assert outcome.context.recap is recap
    assert context.recap is None


def test_whether_it_is_needed_is_optional(context):
    class Always(Phase):
        key, title = "always", "Always"

        def run(self, context):
            return Done("ran")

    assert run_recipe([Always()], context).times[0].outcome == "ran"
