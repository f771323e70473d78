"""Commands do the same whatever the user has in the environment, in the home and in the path."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from provisioner.checks.kubectl import Kubectl
from provisioner.lab import PROJECT
from provisioner.model import Access
from provisioner.surroundings import without_proxy

# A run of Ansible as kubelab starts it, which tells what it and its processes see.
RUN = """
import json, os, sys
from pathlib import Path
from provisioner.lab import PROJECT
from provisioner.playbooks import run_playbook
from provisioner.shell import run
from provisioner.surroundings import make_ours
make_ours()
here = Path(sys.argv[1])
recap = run_playbook(here / "play.yml", here / "hosts.yml", phase="x", listen=lambda _: None,
    config=PROJECT / "ansible.cfg")
(here / "made").mkdir()
seen = run(["sh", "-c", "echo $LC_ALL; umask"]).stdout.split()
print(json.dumps({"changed": recap.changed, "seen": seen, "mode": (here / "made").stat().st_mode,
    "play": (here / "told").read_text()}))
"""
PLAY = """
- hosts: all
  gather_facts: false
  roles: [common]
  tasks:
    - ansible.builtin.command: sh -c 'echo told; umask'
      register: told
    - ansible.builtin.copy:
        content: "{{ told.stdout }} ü"
        dest: "{{ inventory_dir }}/told"
        mode: "0644"
"""
HOSTS = """
control_plane:
  hosts:
    a:
      ansible_connection: local
      ansible_host: 127.0.0.1
      ansible_python_interpreter: {python}
cluster: {{children: {{control_plane: }}}}
"""
HOME = {
    ".ansible.cfg": "[defaults]\nstdout_callback = none\nstrategy = debug\n",
    ".ansible/plugins/modules/command.py": "raise SystemExit('the user\\'s own')",
    ".ansible/plugins/action/copy.py": "raise RuntimeError('the user\\'s own')",
    ".ansible/plugins/callback/awx_display.py": "raise RuntimeError('the user\\'s own')",
    ".kube/config": "not: a kubeconfig",
    ".ssh/config": "Host *\n  ProxyCommand false\n",
}
# What users have in their environments, by what it is about.
ENVIRONMENTS = {
    name: dict(word.split("=", 1) for word in shlex.split(words))
    for name, words in yaml.safe_load(
        """
no locale: LC_ALL= LANG=
C: LC_ALL=C TERM=dumb
a locale that is not generated: LC_ALL=de_DE.UTF-8 LANG=xx_YY
a locale without Unicode: LC_ALL=de_DE.ISO-8859-1 LANGUAGE=de
roles: ANSIBLE_ROLES_PATH=/nowhere ANSIBLE_LIBRARY=/nowhere
a strategy: ANSIBLE_STRATEGY=debug ANSIBLE_FORKS=none
a callback: ANSIBLE_STDOUT_CALLBACK=none ANSIBLE_FORCE_COLOR=true
a vault: ANSIBLE_VAULT_PASSWORD_FILE=/nowhere ANSIBLE_ASK_VAULT_PASS=true
access: ANSIBLE_SSH_ARGS='-o ProxyCommand=false' ANSIBLE_BECOME_ASK_PASS=true
an inventory: ANSIBLE_INVENTORY_ENABLED=none ANSIBLE_INVENTORY=/nowhere
proxies: http_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9
kubectl and vagrant: KUBECONFIG=/nowhere VAGRANT_CWD=/nowhere
python: PYTHONWARNINGS=error PYTHONOPTIMIZE=2 PYTHONUTF8=0
a shell: BASH_ENV=/nowhere CDPATH=/ POSIXLY_CORRECT=1 COLUMNS=40
"""
    ).items()
}


def users(home: Path, more: dict[str, str]) -> dict[str, str]:
    """The environment of a user with a home that is full of settings."""
    for name, text in HOME.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return {"PATH": os.environ["PATH"], "HOME": str(home), **more}


def told(folder: Path, env: dict[str, str], umask: str = "022") -> dict:
    """What a run of Ansible in a folder told, started by a shell with this umask."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "play.yml").write_text(PLAY)
    (folder / "hosts.yml").write_text(HOSTS.format(python=sys.executable))
    command = shlex.join([sys.executable, "-c", RUN, str(folder)])
    done = subprocess.run(
        ["sh", "-c", f"umask {umask}; exec {command}"],
        env=env,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


RIGHT = {
    "changed": 2,
    "seen": ["C.UTF-8", "0022"],
    "mode": 0o40755,
    "play": "told\n0022 ü",
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_run_is_the_same_in_every_environment(name, tmp_path):
    assert told(tmp_path / "lab", users(tmp_path / "home", ENVIRONMENTS[name])) == RIGHT


@pytest.mark.parametrize(
    "more", [{"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, {}]
)
def test_names_of_files_are_read_in_utf8_whatever_the_locale(more, tmp_path):
    (tmp_path / "Fő").touch()
    code = "import os, sys; from provisioner.surroundings import begin_in_utf8 as begin; begin();"
    code += "sys.exit(os.listdir(sys.argv[1]) != ['F\\u0151'])"
    command = [sys.executable, "-c", code, tmp_path]
    assert (
        subprocess.run(command, env={"PATH": os.environ["PATH"], **more}, cwd=PROJECT).returncode
        == 0
    )


@pytest.mark.parametrize("umask", ["000", "027", "077"])
def test_modes_are_set_and_not_inherited(umask, tmp_path):
    assert told(tmp_path / "lab", users(tmp_path / "home", {}), umask) == RIGHT


def test_a_lab_may_be_in_a_folder_with_spaces_behind_a_link(tmp_path):
    (tmp_path / "real folder").mkdir()
    (tmp_path / "a link").symlink_to(tmp_path / "real folder")
    home = tmp_path / "home of mine"
    assert told(tmp_path / "a link/lab", users(home, {})) == RIGHT


def test_what_runs_leave_is_in_the_lab_and_gone_after_the_next(tmp_path):
    lab, home = tmp_path / "lab", tmp_path / "home"
    killed = lab / "ansible/home/tmp/ansible-local-1"
    killed.mkdir(parents=True)
    told(lab, users(home, {}))
    assert not (lab / "ansible").exists()
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert found == set(HOME)
    # The node is this host here, and Ansible makes its folder for modules on nodes.
    assert not list(home.glob(".ansible/tmp/*"))
    assert not (home / ".ansible/cp").exists()


def test_a_command_prints_the_same_in_every_environment(tmp_path):
    command = [Path(sys.executable).with_name("kubelab"), "plan", "--json"]
    plain = {"PATH": os.environ["PATH"], "KUBELAB_CACHE": str(tmp_path)}
    plain["KUBELAB_HOME"] = str(tmp_path / "labs")
    wanted = subprocess.run(command, env=plain, capture_output=True, check=True).stdout
    together = {key: value for more in ENVIRONMENTS.values() for key, value in more.items()}
    for name in ("no locale", "C", "a locale that is not generated"):
        env = users(tmp_path / "home", {**together, **ENVIRONMENTS[name], **plain})
        del env["PYTHONWARNINGS"]  # Python obeys it before kubelab begins.
        assert subprocess.run(command, env=env, capture_output=True).stdout == wanted, name


def test_kubectl_asks_no_proxy_for_the_networks_of_its_lab(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org")
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\necho "$NO_PROXY $no_proxy $https_proxy"\n')
    program.chmod(0o755)
    (tmp_path / "kubeconfig").touch()
    bound = Kubectl(program, tmp_path / "kubeconfig", networks=("10.77.0.0/24", "10.96.0.0/12"))
    wanted = "example.org,10.77.0.0/24,10.96.0.0/12"
    assert bound.call("get").stdout.split() == [wanted, wanted, "http://127.0.0.1:9"]


def test_what_had_no_proxy_before_has_none_once(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "a,b")
    monkeypatch.setenv("no_proxy", "b,10.0.0.0/8")
    assert without_proxy(["10.0.0.0/8"])["no_proxy"] == "a,b,10.0.0.0/8"
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    assert without_proxy(["10.0.0.0/8"]) == {"NO_PROXY": "10.0.0.0/8", "no_proxy": "10.0.0.0/8"}


@pytest.mark.parametrize("folder", ["/a b/lab", "/100%/lab", "/a/lab", "/ü b/%h"])
def test_ssh_reads_the_host_keys_of_any_folder(folder):
    access = Access("root", Path(folder, "key"), Path(folder, "known_hosts"))
    done = subprocess.run(
        ["ssh", "-G", "-F", "/dev/null", *access.options, "10.77.0.10"],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("userknownhostsfile ")]
    assert line.removeprefix("userknownhostsfile ").replace("%%", "%") == f"{folder}/known_hosts"
