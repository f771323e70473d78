"""In CI a skip that nobody expected is a failure; tried with a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def outcome(tmp_path):
    def run(text, **environ):
        (tmp_path / "test_it.py").write_text(f"import pytest\n{text}\n")
        words = ("-q", "-p", "tests.skips", "-p", "no:cacheprovider", "-c", os.devnull)
        env = {k: v for k, v in os.environ.items() if k not in ("CI", skips.BEFORE_PACKAGES)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, "--rootdir", tmp_path, tmp_path],
            cwd=PROJECT,
            env={**env, **environ},
            capture_output=True,
            text=True,
        )
        return done.stdout.strip().splitlines()[-1].partition(" in ")[0], done.stdout

    return run


def test_these_very_tests_are_run_by_that_rule(request):
    hooks = request.config.hook.pytest_runtest_makereport.get_hookimpls()
    assert skips.pytest_runtest_makereport in [hook.function for hook in hooks]


def test_a_skip_that_nobody_expected_is_a_failure_in_ci(outcome):
    text = "def test_it():\n    pytest.skip('I do not feel like it')"
    assert outcome(text)[0] == "1 skipped"
    short, said = outcome(text, CI="true")
    assert short == "1 failed"
    assert "an unexpected skip (I do not feel like it)" in said


def test_so_is_one_by_a_mark_and_one_of_a_whole_file(outcome):
    marked = "@pytest.mark.skipif(True, reason='why not')\ndef test_it(): pass"
    assert outcome(marked, CI="true")[0] == "1 error"
    whole = "pytest.skip('not this file', allow_module_level=True)"
    assert outcome(whole, CI="true")[0] == "1 error"


def test_an_expected_skip_stays_one(outcome):
    text = "def test_it():\n    pytest.skip('libvirt has a box already')"
    assert outcome(text, CI="true")[0] == "1 skipped"


def test_what_a_package_brings_may_be_missing_before_packages_only(monkeypatch):
    monkeypatch.setattr(skips.shutil, "which", lambda program: None)
    assert skips.is_expected("no vagrant on this host", {skips.BEFORE_PACKAGES: "1"})
    assert not skips.is_expected("no vagrant on this host", {})
    assert skips.is_expected("no Python 2.7 (KUBELAB_PYTHON27=PATH)", {})


def test_a_reason_that_is_not_true_is_no_reason(monkeypatch):
    monkeypatch.setattr(skips.shutil, "which", lambda program: f"/usr/bin/{program}")
    assert not skips.is_expected("no vagrant on this host", {skips.BEFORE_PACKAGES: "1"})
