"""Commands on a real lab do the same whatever their user has in environment, home and terminal."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from provisioner.lab import cache
from tests.labs import KUBELAB, PROJECT
from tests.unit.test_surroundings import ENVIRONMENTS, HOME, users

pytestmark = [pytest.mark.extended, pytest.mark.lab("small", changes=False)]
MORE = {
    "another cluster": {"KUBECONFIG": "{home}/.kube/config", "KUBECTL_EXTERNAL_DIFF": "false"},
    "vagrant": {"VAGRANT_CWD": "/nowhere", "VAGRANT_DOTFILE_PATH": "/nowhere", "VAGRANT_LOG": "x"},
    "forty columns": {"COLUMNS": "40", "LINES": "5"},
    "nothing else": {},
}
# Python obeys it before kubelab begins.
GIVEN = {
    name: {key: value for key, value in more.items() if key != "PYTHONWARNINGS"}
    for name, more in {**ENVIRONMENTS, **MORE}.items()
}
LINKED = "a link/to it"


@pytest.fixture
def call(lab, tmp_path):
    """Runs a command as a user with a home full of settings, by a link to the project's folder."""
    home = tmp_path / "a home"
    link = tmp_path / LINKED
    link.parent.mkdir()
    link.symlink_to(PROJECT)

    # Another home has another cache.
    places = {"KUBELAB_HOME": lab.env["KUBELAB_HOME"], "KUBELAB_CACHE": str(cache())}

    def call(given, *words, code=0):
        more = {key: value.format(home=home) for key, value in given.items()}
        done = subprocess.run(
            [str(link / KUBELAB.relative_to(PROJECT)), *words],
            env={**users(home, more), **places},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    call.home = home
    return call


def facts(text):
    """What `status --json` says, without what changes from one second to the next."""
    found = json.loads(text)
    for node in found["nodes"]:
        del node["memory_mib"], node["disk_mib"]
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_commands_do_the_same(name, lab, call):
    given, named = GIVEN[name], ("--name", lab.name)
    assert facts(call(given, "status", *named, "--json")) == facts(
        lab.run("status", *named, "--json")
    )
    assert call(given, "ssh", "master", *named, "--", "hostname") == "master\n"
    assert "master" in call(given, "kubectl", *named, "--", "get", "nodes", "-o", "name")
    assert "master" in call(given, "node", "uncordon", "master", *named, "--json")
    # What runs leave is in the lab's own folder; kubectl has its cache where it always has.
    kept = {str(path.relative_to(call.home)) for path in call.home.rglob("*") if path.is_file()}
    assert {path for path in kept if not path.startswith(".kube/cache/")} == set(HOME)


def test_all_of_it_together_is_no_reason_to_change_anything(lab, call):
    together = {key: value for given in GIVEN.values() for key, value in given.items()}
    answer = json.loads(call(together, "up", "-f", str(lab.spec), "--json"))
    assert answer["changed"] == {"master": 0}
    assert json.loads(call(together, "verify", "--name", lab.name, "--json"))["ok"] is True


@pytest.mark.parametrize("command", ["status", "list", "plan", "logs --timings"])
def test_nothing_is_cut_off_on_a_terminal_of_forty_columns(command, lab):
    typed = f"stty cols 40; exec {KUBELAB} {command} --name {lab.name}"
    typed = typed if command != "list" else typed.partition(" --name")[0]
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", typed, "/dev/null"],
        env={**os.environ, **lab.env, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout
    assert "…" not in done.stdout


def test_this_users_own_home_has_nothing_of_a_run(lab):
    before = {str(path) for path in Path.home().glob(".ansible/*/*")}
    lab.run("node", "uncordon", "master", "--name", lab.name)
    assert {str(path) for path in Path.home().glob(".ansible/*/*")} == before
