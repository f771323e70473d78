"""Words that make no sense to the command line, and what it offers then."""

import sys

import pytest

from provisioner import cli


def said(monkeypatch, capsys, *words):
    # This process keeps its own way to end.
    monkeypatch.setattr(cli.signal, "signal", lambda number, act: None)
    monkeypatch.setattr(sys, "argv", ["kubelab", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    return capsys.readouterr().err


def test_a_lab_named_as_up_names_a_profile_is_told_the_option(monkeypatch, capsys):
    text = said(monkeypatch, capsys, "verify", "debian12")
    assert "unexpected extra argument" in text
    assert "kubelab verify --name LAB" in text


def test_other_words_are_told_as_they_are(monkeypatch, capsys):
    assert "--name LAB" not in said(monkeypatch, capsys, "compat", "debian12")
    assert "No such option" in said(monkeypatch, capsys, "verify", "--nam", "x")
