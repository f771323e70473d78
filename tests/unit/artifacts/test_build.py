import errno
import threading

import pytest

from provisioner.artifacts.build import Builder, Step
from provisioner.artifacts.store import Store
from provisioner.errors import CommandError, HostError


class Kitchen:
    """Makes steps that write one file, and remembers in which order they were made."""

    def __init__(self, folder):
        self.store = Store(folder)
        self.made = []
        self.events = []

    def step(self, name, *needs, key="k", error=None, room=1):
        def make(into, made, tell):
            tell("stirring", 0.5)
            self.made.append(name)
            if error:
                raise error
            (into / "dish").write_text(
                name + "".join((made[n] / "dish").read_text() for n in needs)
            )

        return Step(name, key, make, needs, room)

    def build(self, *steps, jobs=2):
        builder = Builder(self.store, self.events.append, jobs)
        return builder.build({step.name: step for step in steps})


@pytest.fixture
def kitchen(tmp_path):
    return Kitchen(tmp_path / "built")


def test_a_step_waits_for_what_it_needs(kitchen):
    made = kitchen.build(kitchen.step("cake", "dough"), kitchen.step("dough"))
    assert kitchen.made == ["dough", "cake"]
    assert (made["cake"] / "dish").read_text() == "cakedough"


def test_a_second_build_makes_nothing_and_says_nothing(kitchen):
    steps = [kitchen.step("cake", "dough"), kitchen.step("dough")]
    first = kitchen.build(*steps)
    kitchen.events.clear()
    assert kitchen.build(*steps) == first
    assert kitchen.made == ["dough", "cake"]
    assert kitchen.events == []


def test_a_new_key_is_built_beside_the_old_entry(kitchen):
    old = kitchen.build(kitchen.step("cake"))
    new = kitchen.build(kitchen.step("cake", key="k2"))
    assert old["cake"] != new["cake"]
    assert old["cake"].is_dir()


def test_a_corrupt_file_is_named_and_built_again(kitchen):
    made = kitchen.build(kitchen.step("cake"))
    (made["cake"] / "dish").write_text("mould")
    kitchen.build(kitchen.step("cake"))
    assert (made["cake"] / "dish").read_text() == "cake"
    said = [event.detail for event in kitchen.events if event.status == "failed"]
    assert len(said) == 1
    assert str(made["cake"] / "dish") in said[0]


def test_progress_is_told_with_a_fraction(kitchen):
    kitchen.build(kitchen.step("cake"))
    assert [event.status for event in kitchen.events] == ["start", "progress", "changed"]
    assert kitchen.events[1].fraction == 0.5
    assert {event.phase for event in kitchen.events} == {"artifacts"}


def test_independent_steps_run_at_the_same_time(kitchen):
    both = threading.Barrier(2, timeout=5)
    steps = [Step(name, "k", lambda *_: both.wait()) for name in ("left", "right")]
    kitchen.build(*steps)


def test_a_failed_command_names_the_artifact_and_the_next_run_goes_on_from_there(kitchen):
    broken = kitchen.step(
        "cake", "dough", error=CommandError("oven failed (exit code 1)", "$ oven")
    )
    with pytest.raises(CommandError, match="artifact cake: oven failed"):
        kitchen.build(broken, kitchen.step("dough"))
    kitchen.build(kitchen.step("cake", "dough"), kitchen.step("dough"))
    assert kitchen.made == ["dough", "cake", "cake"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        CommandError("go failed", "write /x: no space left on device"),
    ],
)
def test_a_full_disk_is_the_hosts_fault_whoever_meets_it_first(kitchen, error):
    with pytest.raises(HostError, match="cannot write artifacts") as fault:
        kitchen.build(kitchen.step("cake", error=error))
    assert "KUBELAB_CACHE" in fault.value.hint


def test_a_cache_that_cannot_be_written_is_the_hosts_fault(tmp_path):
    (tmp_path / "file").write_text("")
    kitchen = Kitchen(tmp_path / "file/built")
    with pytest.raises(HostError, match="cannot write artifacts"):
        kitchen.build(kitchen.step("cake"))


def test_too_little_room_is_told_before_any_work(kitchen):
    with pytest.raises(HostError, match="cannot write artifacts") as fault:
        kitchen.build(kitchen.step("whale", room=2**40))
    assert "MiB needed to build whale" in fault.value.details
    assert kitchen.made == []
