"""Tokens of joins are found by their description, and their secret part is in no argument."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.roles.manifests import ROLES, templar

KUBECTL = """\
#!/bin/sh
echo "$*" >> "$0.calls"
case "$*" in *" get secrets "*) cat "$0.tokens" ;; esac
"""


@pytest.fixture
def play(tmp_path):
    """Runs the tasks that remove tokens; the calls of kubectl and Ansible's recap."""

    def run(tokens):
        kubectl = tmp_path / "bin/kubectl"
        kubectl.parent.mkdir()
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)
        kubectl.with_name("kubectl.tokens").write_text(tokens)
        task = {"ansible.builtin.include_role": {"name": "join", "tasks_from": "tokens"}}
        play = {"hosts": "cluster", "gather_facts": False, "tasks": [{"name": "Run", **task}]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        host = "master ansible_connection=local ansible_host=127.0.0.1"
        python = f"ansible_python_interpreter={sys.executable}"
        groups = "[control_plane]\nmaster\n[workers]\n[cluster:children]\ncontrol_plane\nworkers\n"
        (tmp_path / "hosts").write_text(f"{host} {python}\n{groups}")
        done = subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *("-i", tmp_path / "hosts", tmp_path / "play.yml"),
            ],
            env={
                **os.environ,
                "PATH": f"{kubectl.parent}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(ROLES.parent / "ansible.cfg"),
                "ANSIBLE_ROLES_PATH": str(ROLES),
            },
            cwd=ROLES.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return kubectl.with_name("kubectl.calls").read_text().splitlines(), done.stdout

    return run


def test_the_tokens_that_are_found_are_deleted_by_their_public_part(play):
    calls, said = play("secret/bootstrap-token-abcdef secret/bootstrap-token-012345 ")
    assert calls[-1].endswith(
        "delete --ignore-not-found secret/bootstrap-token-abcdef secret/bootstrap-token-012345"
    )
    assert "changed=1" in said


def test_without_one_nothing_is_done(play):
    calls, said = play("")
    assert len(calls) == 1
    assert "changed=0" in said


def test_only_tokens_with_our_description_are_found():
    description = templar("join").template("{{ join_token_description }}")
    template = templar("join").template("{{ join_tokens_template }}")
    assert f'(printf "%.{len(description)}s" (base64decode .)) "{description}"' in template
    # Nothing of a token's secret part is asked for.
    assert "token-secret" not in template
    assert "\n" not in template.strip()


def test_a_token_gets_that_description():
    tasks = (ROLES / "join/tasks/transaction.yml").read_text()
    assert "--description '{{ join_token_description }} " in tasks
