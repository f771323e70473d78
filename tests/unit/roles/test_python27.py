"""Modules as CentOS 7 runs them: by ansible-core 2.16, under a real Python 2.7."""

import configparser
import json
import os
import shutil
import subprocess
from pathlib import Path

import ansible_runner
import pytest
import yaml

from provisioner.playbooks import environment

PROJECT = Path(__file__).parents[3]
OWN = sorted((PROJECT / "roles").glob("*/library/*.py"))


def _python27():
    places = [
        os.environ.get("KUBELAB_PYTHON27", ""),
        *map(str, Path.home().glob(".pyenv/versions/2.7*/bin/python2.7")),
        shutil.which("python2.7") or "",
    ]
    for place in filter(None, places):
        asked = subprocess.run([place, "--version"], capture_output=True, text=True)
        if asked.returncode == 0 and "2.7" in asked.stdout + asked.stderr:
            return place
    return None


PYTHON27 = _python27()
pytestmark = pytest.mark.skipif(PYTHON27 is None, reason="no Python 2.7 (KUBELAB_PYTHON27=PATH)")


@pytest.fixture(scope="module", params=["ansible", "mitogen"])
def run(request, tmp_path_factory):
    """Runs tasks on this host under Python 2.7, with --check where asked; results by task name.

    By each of the two that run modules: Ansible itself, and Mitogen where machines are emulated.
    """

    def run(tasks, cmdline=""):
        folder = tmp_path_factory.mktemp("play")
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        (folder / "play.yml").write_text(yaml.safe_dump(play))
        (folder / "ansible.cfg").write_text("[defaults]\n")
        done = ansible_runner.run(
            private_data_dir=str(folder),
            playbook=str(folder / "play.yml"),
            inventory="localhost,",
            cmdline=f"-c local -e ansible_python_interpreter={PYTHON27} {cmdline}",
            envvars={
                **environment(folder / "ansible.cfg", mitogen=request.param == "mitogen"),
                "ANSIBLE_LIBRARY": ":".join(sorted({str(path.parent) for path in OWN})),
            },
            quiet=True,
        )
        ended = ("runner_on_ok", "runner_on_failed")
        events = [event["event_data"] for event in done.events if event["event"] in ended]
        return {event["task"]: event["res"] for event in events}

    return run


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.stem)
def test_it_compiles_under_python_2_7(path):
    code = f"compile(open({str(path)!r}).read(), {path.name!r}, 'exec')"
    done = subprocess.run([PYTHON27, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_our_modules_run_under_python_2_7(run, tmp_path):
    arguments = {
        "docker_config": {"settings": {"log-driver": "json-file"}},
        "docker_images": {"folders": [str(tmp_path)]},
        "kernel_settings": {"modules": [], "sysctls": {}},
        "netfilter_chains": {"prefixes": ["NOT-THERE-"], "links": ["not-there"]},
        "service_current": {"name": "not-there.service", "files": [str(tmp_path)]},
        "storage_volume": {"disk": "not-there", "mount": str(tmp_path / "x"), "filesystem": "xfs"},
        "workloads_ready": {"kubectl": ["false"], "namespace": "x", "timeout": 0},
    }
    own = {path.stem for path in OWN}
    tasks = [{"name": name, name: arguments[name], "ignore_errors": True} for name in sorted(own)]
    results = run(tasks, "--check")
    assert set(results) == own
    for name, result in results.items():
        # A module may refuse (there is no such disk), but in its own words.
        assert "module_stderr" not in result, f"{name}: {result}"
        assert "Traceback" not in json.dumps(result), f"{name}: {result}"


def test_the_vault_takes_the_place_of_mirrors_that_are_gone(run, tmp_path):
    """The repositories of the role node, by the module and under the Python that it uses there."""
    repo = tmp_path / "CentOS-Base.repo"
    repo.write_text("[base]\nname=Base\nmirrorlist=http://mirrorlist.centos.org/?repo=os\n")
    tasks = yaml.safe_load((PROJECT / "roles/node/tasks/main.yml").read_text())
    task = next(t for t in tasks if "ansible.builtin.yum_repository" in t)
    task["ansible.builtin.yum_repository"]["reposdir"] = str(tmp_path)
    where = {"file": "CentOS-Base", "url": "https://vault.example/", "key": "file:///key"}
    wanted = {"base": where, "docker": {**where, "file": "docker-ce"}}
    task["vars"] = {"node_repositories": wanted, "common_repositories": {}, "node_proxy": ""}
    first, second = (run([task])[task["name"]] for _ in range(2))
    assert first["changed"], first
    assert not second["changed"], second
    found = configparser.ConfigParser(interpolation=None)
    found.read([repo, tmp_path / "docker-ce.repo"])
    assert set(found.sections()) == set(wanted)
    for name, repository in wanted.items():
        assert found[name]["baseurl"] == repository["url"]
        assert found[name]["gpgkey"] == repository["key"]
        assert found[name]["gpgcheck"] == "1"
        assert found[name]["skip_if_unavailable"] == "0"
        assert "mirrorlist" not in found[name]
        assert "proxy" not in found[name]
