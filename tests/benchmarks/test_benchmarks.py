"""Every benchmark runs to its end, once and small. Figures of such a run say nothing, and go."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.labs import PROJECT

RESULTS = PROJECT / "benchmarks/results"
SCRIPTS = sorted(path.name for path in (PROJECT / "benchmarks").glob("bench_*.py"))
SMALL = {"BENCH_RUNS": "1", "BENCH_NODES": "1"}


@pytest.fixture
def results_stay(tmp_path):
    """The figures that somebody measured are what they were."""
    shutil.copytree(RESULTS, tmp_path / "results")
    yield
    shutil.rmtree(RESULTS)
    shutil.copytree(tmp_path / "results", RESULTS)


def test_there_are_benchmarks():
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_runs_to_its_end(script, results_stay):
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / script)],
        cwd=PROJECT,
        env={**os.environ, **SMALL},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "ratio " in done.stdout
