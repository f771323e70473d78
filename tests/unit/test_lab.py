import multiprocessing
import os
from contextlib import suppress

import pytest

from provisioner.artifacts.offer import offers
from provisioner.errors import BusyError, UsageError
from provisioner.event_log import read_events
from provisioner.lab import Lab, all_labs, cache, home
from provisioner.spec import parse_spec


def test_a_saved_spec_is_read_back(good):
    spec = parse_spec(good, "lab.yml", offers)
    lab = Lab("embedded")
    lab.prepare()
    lab.save_spec(spec)
    assert lab.load_spec() == spec
    assert all_labs() == [lab]


def test_files_of_a_lab_are_closed_to_others():
    lab = Lab("a")
    lab.prepare()
    lab.write(lab.kubeconfig, "secret")
    assert lab.kubeconfig.stat().st_mode & 0o077 == 0
    assert lab.dir.stat().st_mode & 0o077 == 0


def test_writing_the_same_text_changes_nothing():
    lab = Lab("a")
    lab.prepare()
    assert lab.write(lab.inventory, "text")
    before = lab.inventory.stat().st_ino
    assert not lab.write(lab.inventory, "text")
    assert lab.inventory.stat().st_ino == before


def test_an_unknown_lab_is_named_with_those_that_there_are():
    with pytest.raises(UsageError) as caught:
        Lab("nope").load_spec()
    assert "nope" in caught.value.brief
    assert "kubelab up" in caught.value.hint


@pytest.mark.parametrize("name", ["", "../etc", "A", "a/b", "-a"])
def test_what_is_no_name_of_a_lab_is_refused(name):
    with pytest.raises(UsageError, match="not a valid name of a lab"):
        Lab(name)


def hold(name, ready, release):
    with Lab(name).locked("up"):
        ready.set()
        release.wait(10)


def test_a_second_writer_is_told_who_holds_the_lab():
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=("a", ready, release))
    process.start()
    assert ready.wait(10)
    try:
        with pytest.raises(BusyError) as caught, Lab("a").locked("destroy"):
            pass
        assert f"process {process.pid}" in caught.value.details
        assert "kubelab up" in caught.value.details
    finally:
        release.set()
        process.join(10)
    with Lab("a").locked("destroy"):
        holder = (home() / ".a.holder").read_text()
        assert f"`kubelab destroy`, process {os.getpid()}" in holder
    assert not (home() / ".a.holder").exists()


def test_nothing_stays_of_a_lab_that_is_gone():
    lab = Lab("a")
    with lab.locked("destroy"):
        assert list(home().iterdir())
    assert list(home().iterdir()) == []


@pytest.mark.parametrize("at", range(1, 9))
def test_a_removal_that_is_killed_leaves_a_lab_that_can_be_destroyed(at, monkeypatch):
    lab = Lab("a")
    lab.prepare()
    for path in (lab.spec_file, lab.kubeconfig, lab.inventory, lab.dir / "ssh/id_ed25519"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    calls = 0

    def killed(act):
        def call(*words, **more):
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return act(*words, **more)

        return call

    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(os, name, killed(getattr(os, name)))
    with suppress(KeyboardInterrupt):
        lab.remove()
    left = {path.name for path in lab.dir.rglob("*") if path.is_file()}
    assert not left or lab.exists


def test_the_lock_of_a_lab_that_stays_stays():
    lab = Lab("a")
    lab.prepare()
    with lab.locked("up"):
        pass
    assert (home() / ".a.lock").is_file()


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path):
    file = tmp_path / "run.jsonl"
    file.write_text('{"task": "a"}\n{"task": "b"}\n{"tas')
    assert [event["task"] for event in read_events(file)] == ["a", "b"]


@pytest.mark.parametrize(
    "sign", ["{{ 1 }}", "a:b", "a,b", "$HOME", "%h", "a\nb", "it's", '"', "\\"]
)
@pytest.mark.parametrize("variable", ["KUBELAB_HOME", "KUBELAB_CACHE"])
def test_a_folder_whose_name_means_something_to_a_program_is_refused(
    variable, sign, tmp_path, monkeypatch
):
    monkeypatch.setenv(variable, str(tmp_path / sign))
    with pytest.raises(UsageError, match="cannot be used") as refused:
        (home if variable == "KUBELAB_HOME" else cache)()
    assert variable in refused.value.hint
    assert "\n" not in refused.value.brief


def test_a_folder_with_spaces_and_letters_of_any_language_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBELAB_HOME", str(tmp_path / "Häuser und Räume"))
    assert home().name == "Häuser und Räume"
