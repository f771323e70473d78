import pytest

from provisioner.errors import LabError
from provisioner.phases.base import Context, run_recipe


class FakePhase:
    def __init__(self, key, needed=True, error=None):
        self.key, self.title = key, key.title()
        self._needed, self._error, self.ran = needed, error, False

    def needed(self, context):
        return self._needed

    def run(self, context):
        self.ran = True
        if self._error:
            raise self._error
        return "done"


@pytest.fixture
def context():
    events = []
    found = Context(None, None, None, None, events.append)
    found.events = events
    return found


def test_phases_run_in_order_and_say_how_long_they_took(context):
    times = run_recipe([FakePhase("one"), FakePhase("two")], context)
    assert [time.key for time in times] == ["one", "two"]
    assert [(e.phase, e.status) for e in context.events] == [
        ("one", "start"),
        ("one", "ok"),
        ("two", "start"),
        ("two", "ok"),
    ]


def test_a_phase_that_is_not_needed_does_nothing(context):
    phase = FakePhase("one", needed=False)
    (time,) = run_recipe([phase], context)
    assert not phase.ran
    assert time.outcome == "nothing to do"
    assert context.events[-1].status == "skipped"


def test_after_a_failure_nothing_more_starts(context):
    last = FakePhase("two")
    with pytest.raises(LabError, match="broken"):
        run_recipe([FakePhase("one", error=LabError("broken")), last], context)
    assert not last.ran
    assert context.events[-1].status == "failed"
