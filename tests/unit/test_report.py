"""Tables: nothing of a name is cut, in a window of 80 columns or in a pipe."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from provisioner import report
from provisioner.errors import LabError
from provisioner.model import Event, Finding
from provisioner.phases.base import PhaseTime

PROJECT = Path(__file__).resolve().parents[2]
PLAN = ("what", "name", "version", "source", "state", "sha256")
SUM = "6358aae72b4e1b2d4b2fe5e8ca3e4e1d5a27f7e6f9d1a5e7c3b0b1e2f4d6a8c9"
URL = "https://dl.k8s.io/release/v1.31.14/bin/linux/amd64/kube-controller-manager"
# Rows as `kubelab plan` has them, the longest ones of profiles embedded and centos7.
PLANNED = [
    ("host", "ca-certificates", "", "apt", "installed", ""),
    (
        "build",
        "kubernetes-1.20.2",
        "1.20.5+really1.20.2-1.1+deb12u1",
        "debian-source",
        "cached",
        "",
    ),
    ("file", "kubernetes-1.31.14/kube-controller-manager", "1.31.14", URL, "to fetch", SUM),
    ("image", "image-kube-controller-manager", "", "", "to build", ""),
    ("repository", "base", "", "https://vault.centos.org/7.9.2009/os", f"signed with {URL}", ""),
    ("machine", "worker1", "2 CPUs, 2048 MiB, 10.77.0.11", "machine", "to start", ""),
    ("cluster", "worker1", "v1.20.2", "kubeadm join", "as the node says", ""),
]
STATUS = ("node", "role", "address", "machine", "kubelet", "schedulable", "memory", "disk")
NODES = [
    ("master", "control-plane", "10.77.0.10", "running", "Ready", False, "1824 MiB", "2345 MiB"),
    ("worker1", "worker", "10.77.0.11", "running", "NotReady", True, "824 MiB", "1345 MiB"),
]
LONG_NODES = [(f"lab-in-room-12-{row[0]}", *row[1:]) for row in NODES]


@pytest.fixture
def terminal(monkeypatch):
    """A window of 80 columns in place of stdout, without colours."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(report, "out", console)
    return console


@pytest.fixture
def pipe(monkeypatch):
    """Something that is no terminal in place of stdout; COLUMNS of the shell is not heeded."""
    monkeypatch.setenv("COLUMNS", "40")
    console = Console(file=io.StringIO(), force_terminal=False)
    monkeypatch.setattr(report, "out", console)
    return console


def lines_of(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


def test_status_is_whole_in_80_columns(terminal):
    report.print_table("", STATUS, NODES)
    assert lines_of(terminal) == [
        "node    role          address    machine kubelet  schedulable memory   disk    ",
        "master  control-plane 10.77.0.10 running Ready    False       1824 MiB 2345 MiB",
        "worker1 worker        10.77.0.11 running NotReady True        824 MiB  1345 MiB",
    ]


def test_status_of_long_names_goes_without_figures_and_says_so(terminal):
    report.print_table("", STATUS, LONG_NODES)
    head, *rows, note = lines_of(terminal)
    assert head.split() == ["node", "role", "address", "machine", "kubelet", "schedulable"]
    assert [row.split()[:2] for row in rows] == [list(node[:2]) for node in LONG_NODES]
    assert note == "Left out in 80 columns: disk, memory. --json shows all."


def test_a_plan_is_readable_in_80_columns(terminal):
    report.print_table("lab centos7", PLAN, PLANNED)
    lines = lines_of(terminal)
    assert max(len(line) for line in lines) <= 80
    assert lines[-1] == "Left out in 80 columns: sha256. --json shows all."
    assert lines[1].split() == ["what", "name", "(version,", "source)", "state"]
    starts = [line.split()[1] for line in lines[2:-1] if not line.startswith(" ")]
    assert starts == [row[1] for row in PLANNED]
    assert "cluster     worker1 (v1.20.2, kubeadm join)                 as the node says" in [
        line.rstrip() for line in lines
    ]


def test_what_fits_on_a_terminal_is_shown_whole(terminal):
    terminal.width = 400
    report.print_table("", PLAN, PLANNED)
    lines = [line.rstrip() for line in lines_of(terminal)]
    assert lines[0].split() == list(PLAN)
    assert lines[3].endswith(SUM)
    assert len(lines) == 1 + len(PLANNED)


def test_nothing_is_cut_or_folded_in_a_pipe(pipe):
    report.print_table("lab centos7", PLAN, PLANNED)
    title, head, *lines = lines_of(pipe)
    assert (title, head.split()) == ("lab centos7", list(PLAN))
    for line, row in zip(lines, PLANNED, strict=True):
        assert line.split("  ")[0] == row[0]
        assert all(cell in line for cell in row)
        assert line == line.rstrip()


def test_status_in_a_pipe_has_every_name_once(pipe):
    report.print_table("", STATUS, LONG_NODES)
    assert [line.split()[:2] for line in lines_of(pipe)[1:]] == [list(n[:2]) for n in LONG_NODES]


def test_brackets_in_a_cell_are_no_markup(pipe):
    report.print_table("", ("snapshot",), [("[bold]before[/bold]",)])
    assert lines_of(pipe)[1] == "[bold]before[/bold]"


def test_an_answer_takes_several_lines_where_it_has_to(terminal):
    answer = "docker is on cgroupfs, expected systemd: " + "worker2 " * 8
    report.print_findings([Finding("kubelet-cgroup-driver", False, answer, 0.2, "kubelab up")])
    lines = lines_of(terminal)
    assert lines[1].startswith("✘  kubelet-cgroup-driver  0.2 s  docker is on cgroupfs")
    assert max(len(line) for line in lines) <= 80
    assert lines[-1].strip() == "→ kubelab up"


def test_an_answer_in_a_pipe_is_one_line_and_its_hint_another(pipe):
    answer = "docker is on cgroupfs, expected systemd: " + "worker2 " * 8
    report.print_findings([Finding("docker-cgroup-driver", False, answer, 0.2, "kubelab up")])
    assert [line.strip() for line in lines_of(pipe)[2:]] == ["→ kubelab up"]
    assert lines_of(pipe)[1].endswith(answer.strip())


def test_the_times_of_phases_end_with_their_sum(terminal):
    report.print_times([PhaseTime("host", "Host", 0.5, "ok"), PhaseTime("up", "Machines", 2.0, "")])
    assert lines_of(terminal)[-1].split() == ["total", "2.5", "s"]


def test_a_long_outcome_of_a_phase_has_the_rest_of_the_window(terminal):
    outcome = "changed=44 (" + ", ".join(f"worker{number} 14" for number in range(9)) + ")"
    report.print_times([PhaseTime("cluster", "Cluster", 64.8, outcome)])
    lines = lines_of(terminal)
    assert lines[1].startswith("Cluster  64.8 s  changed=44 (worker0 14, worker1 14, worker2 14,")
    assert max(len(line) for line in lines) <= 80


def test_a_sentence_in_a_pipe_is_one_line():
    script = "from provisioner import report; report.out.print('word ' * 40, highlight=False)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1


HOSTILE = "a [/] [red]b[/red] \x1b[31mc\x1b[0m \x1b[2J\x1b]0;title\x07d\x1b"
SHOWN = "a [/] [red]b[/red] c "


def test_what_a_host_said_controls_no_terminal_and_is_no_markup(monkeypatch):
    text = io.StringIO()
    for name in ("out", "err"):
        console = Console(file=text, width=200, markup=getattr(report, name)._markup)
        monkeypatch.setattr(report, name, console)
    report.print_error(LabError(HOSTILE, HOSTILE, HOSTILE))
    report.print_notice(HOSTILE)
    report.print_findings([Finding("[/]", False, HOSTILE, hint=HOSTILE)])
    assert "\x1b" not in text.getvalue()
    assert text.getvalue().count(SHOWN) == 6
    assert "[/]" in text.getvalue()


def test_a_step_with_brackets_in_its_words_is_shown(monkeypatch):
    text = io.StringIO()
    progress = report.Progress(Console(file=text, width=200, markup=report.err._markup))
    progress.PLAIN_SECONDS = -1
    progress(Event("x", "Artifacts", "start"))
    progress(Event("x", "fetch [/]", "start"))
    assert "fetch [/]" in text.getvalue()
