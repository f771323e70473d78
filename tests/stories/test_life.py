"""A lab whose files are moved, removed or not where they were, while its machines run."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hosts import settled_changes
from tests.labs import HOME, PROJECT, recap

pytestmark = [pytest.mark.extended, pytest.mark.lab("small")]


@pytest.fixture
def away():
    """Another folder of labs, on the same disk."""
    found = HOME.with_name(f"{HOME.name}-away")
    found.mkdir()
    yield found
    shutil.rmtree(found)


def in_home(lab, home):
    lab.env["KUBELAB_HOME"] = str(home)


@pytest.fixture(autouse=True)
def own_home(lab):
    yield
    in_home(lab, HOME)


def rows(lab, *words):
    return {row["name"]: row for row in lab.json("list", *words)["labs"]}


def test_a_machine_whose_folder_is_gone_is_refused_by_start_and_made_again_by_up(lab):
    lab.run("stop", "--name", lab.name)
    shutil.rmtree(lab.dir / "machines/master")
    said = lab.run("start", "--name", lab.name, code=1)
    assert "lacks machines: master" in said
    assert f"kubelab up --name {lab.name}" in said
    lab.up()
    assert lab.json("verify", "--name", lab.name)["ok"] is True


def test_a_lab_whose_folder_is_renamed_goes_on(lab, away):
    (HOME / lab.name).rename(away / lab.name)
    try:
        assert rows(lab) == {}
        (row,) = rows(lab, "--all").values()
        assert (row["folder"], row["state"]) == (str(away / lab.name), "1 machine runs")
        said = lab.run("destroy", "--yes", "--name", lab.name, code=2)
        assert f"KUBELAB_HOME={away} kubelab destroy" in said
        in_home(lab, away)
        assert lab.status()["phase"] == "running"
        assert lab.ssh("master", "hostname") == "master\n"
        assert lab.up()["changed"] == {"master": 0}
        for command in ("stop", "start"):
            lab.run(command, "--name", lab.name)
        assert lab.status()["phase"] == "running"
        assert rows(lab, "--all")[lab.name]["folder"] == str(away / lab.name)
    finally:
        (away / lab.name).rename(HOME / lab.name)


def test_a_copy_of_a_lab_is_not_the_lab(lab, away):
    (away / lab.name).mkdir()
    for name in ("lab.yml", "label", "artifacts.json"):
        shutil.copy2(HOME / lab.name / name, away / lab.name)
    in_home(lab, away)
    assert lab.status()["phase"] == "absent"
    lab.run("destroy", "--yes", "--name", lab.name)
    in_home(lab, HOME)
    assert lab.status()["phase"] == "running"


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_a_lab_whose_folder_is_gone_is_found_and_destroyed(lab, stopped):
    if stopped:
        lab.run("stop", "--name", lab.name)
    shutil.rmtree(HOME / lab.name)
    state = rows(lab, "--all")[lab.name]["state"]
    assert state == f"lost, {'0 machines run' if stopped else '1 machine runs'}"
    if not stopped:
        said = lab.run("up", "-f", str(lab.spec), code=3)
        assert "kubelab list --all" in said
    answer = json.loads(lab.run("destroy", "--yes", "--name", lab.name, "--json"))
    assert answer["lab"] == lab.name
    assert rows(lab, "--all") == {}
    assert settled_changes(lab.before) == []
    assert not list(Path("/run/kubelab").glob(f"{lab.name}-*"))
    lab.kept = False


def test_a_playbook_runs_from_any_folder(lab, tmp_path):
    """Where it finds no ansible.cfg: the roles are beside it, and need no setting of ours."""
    done = subprocess.run(
        [
            str(PROJECT / ".venv/bin/ansible-playbook"),
            *("-i", str(lab.dir / "inventory.yml"), str(PROJECT / "playbooks/site.yml")),
        ],
        cwd=tmp_path,
        env={**lab.env, "PATH": f"{PROJECT / '.venv/bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert recap(done.stdout) == {"master": 0}
