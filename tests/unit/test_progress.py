"""The live line of a command: what stays of it, and what a log gets where there is no terminal."""

import io

import pytest
from rich.console import Console

from provisioner.model import Event
from provisioner.report import Progress, VerifyProgress


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("provisioner.report.time.monotonic", clock)
    return clock


@pytest.fixture
def log():
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def lines(console):
    return console.file.getvalue().splitlines()


def test_a_phase_that_ended_leaves_one_line(clock, log):
    show = Progress(log)
    show(Event("machines", "Machines", "start"))
    show(Event("machines", "start", "start", "master"))
    show(Event("machines", "start", "changed", "master"))
    show(Event("machines", "Machines", "ok", "", 3.25, "3 started"))
    assert lines(log) == ["✔ Machines          3.2 s   3 started"]


def test_a_phase_with_nothing_to_do_says_so(clock, log):
    show = Progress(log)
    show(Event("spec", "Spec", "start"))
    show(Event("spec", "Spec", "skipped", "", 0.0, "nothing to do"))
    assert lines(log) == ["✔ Spec              0.0 s   nothing to do"]


def test_the_reason_of_a_failure_is_left_to_the_error(clock, log):
    show = Progress(log)
    show(Event("cluster", "Cluster", "start"))
    show(Event("cluster", "Cluster", "failed", "", 8.0, "master: docker did not start"))
    assert lines(log) == ["✘ Cluster           8.0 s"]


def test_a_log_gets_a_line_every_ten_seconds_of_what_is_at_work(clock, log):
    show = Progress(log)
    show(Event("artifacts", "Artifacts", "start"))
    for second in range(25):
        clock.now = 100.0 + second
        show(Event("artifacts", "etcd", "progress", detail="compiled", fraction=second / 25))
    assert lines(log) == [
        "  Artifacts          11 s   etcd 44% (compiled)",
        "  Artifacts          22 s   etcd 88% (compiled)",
    ]


def test_no_more_than_the_three_newest_steps_are_named(clock, log):
    show = Progress(log)
    show(Event("cluster", "Cluster", "start"))
    clock.now += 11
    for node in ("master", "worker1", "worker2"):
        show(Event("cluster", f"Task of {node}", "start", node))
        clock.now += 11
    show(Event("cluster", "A fourth", "start", "worker3"))
    last = lines(log)[-1]
    assert "master" not in last
    assert "worker1: Task of worker1, worker2: Task of worker2, worker3: A fourth" in last


def test_a_step_that_ended_is_not_named_any_more(clock, log):
    show = Progress(log)
    show(Event("cluster", "Cluster", "start"))
    show(Event("cluster", "Start docker", "start", "master"))
    show(Event("cluster", "Start docker", "ok", "master"))
    clock.now += 11
    show(Event("cluster", "Run kubeadm init", "start", "master"))
    assert lines(log) == ["  Cluster            11 s   master: Run kubeadm init"]


def test_a_terminal_has_a_live_line_that_goes_with_the_phase(clock):
    screen = Console(
        file=io.StringIO(), force_terminal=True, width=80, color_system=None, _environ={}
    )
    show = Progress(screen)
    with show.shown():
        show(Event("machines", "Machines", "start"))
        show(Event("machines", "start", "start", "master"))
        show.live.refresh()
        assert "Machines            0 s   master: start" in screen.file.getvalue()
        show(Event("machines", "Machines", "ok", "", 1.0, "3 started"))
        written = len(screen.file.getvalue())
        show.live.refresh()
        assert "master" not in screen.file.getvalue()[written:]
    assert "✔ Machines          1.0 s   3 started" in screen.file.getvalue()


def test_checks_of_verify_are_steps_of_a_phase_that_has_no_end(clock, log):
    show = VerifyProgress(log)
    show(Event("verify", "dns", "start"))
    clock.now += 11
    show(Event("verify", "node-port", "start"))
    assert lines(log) == ["  Verify             11 s   dns, node-port"]
