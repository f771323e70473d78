"""Every command, where a place is closed or a file is damaged: told in words, never as our bug."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from provisioner.errors import HostError
from provisioner.providers.nspawn import remains

# Runs every command of the command line in one process, and tells how each of them ended.
EVERY = """
import contextlib, io, json, sys, typer
from provisioner import cli, report
VALUES = {"node": "worker1", "name": "mine", "file": sys.argv[1]}

def words_of(command, above):
    for parameter in command.params:
        value = VALUES.get(parameter.name, "x")
        if parameter.param_type_name == "argument" and parameter.name not in ("profile", "box"):
            yield value if above[:1] != ("node",) else "worker1"
        elif parameter.name in ("name", "file"):
            yield from (parameter.opts[0], value)
        elif parameter.name == "yes":
            yield parameter.opts[0]

def commands(group, above=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name, *words_of(command, above))

def become(program, words):
    raise SystemExit(0)

cli.access.os.execvp = become
cli.signal.signal = lambda number, act: None
cli.make_ours = cli.begin_in_utf8 = lambda: None
told = {}
for words in commands(typer.main.get_command(cli.app)):
    said = io.StringIO()
    report.out.file = report.err.file = said
    sys.argv = ["kubelab", *words]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as end:
            told[" ".join(words)] = (end.code, said.getvalue())
print(json.dumps(told))
"""


@pytest.fixture
def home(tmp_path, good):
    folder = tmp_path / "labs"
    (folder / "mine/run").mkdir(parents=True)
    (folder / "mine/lab.yml").write_text(yaml.safe_dump({**good, "name": "mine"}))
    (folder / ".mine.lock").touch()
    (tmp_path / "cache/sets").mkdir(parents=True)
    yield folder
    for path in (tmp_path, tmp_path / "cache", folder, folder / "mine"):
        path.chmod(0o700)


@pytest.fixture
def told(home, tmp_path):
    """Runs every command; what each of them printed, and its exit code."""
    spec = tmp_path / "spec.yml"
    spec.write_text((home / "mine/lab.yml").read_text())

    def run():
        # Without the rights of root and without a network; the files stay this user's.
        done = subprocess.run(
            ["unshare", "--user", "--net", sys.executable, "-c", EVERY, str(spec)],
            env={**os.environ, "KUBELAB_HOME": str(home), "KUBELAB_CACHE": str(tmp_path / "cache")},
            # A report is written where one is.
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert len(told) > 25
        return told

    return run


@pytest.mark.parametrize(
    "closed",
    ["labs", "labs/mine", "labs/mine/lab.yml", "labs/mine/run", "labs/.mine.lock", "cache"],
)
def test_a_place_that_is_closed_is_told_in_words(closed, told, tmp_path):
    (tmp_path / closed).chmod(0)
    found = told()
    assert not {words: said for words, (_, said) in found.items() if "bug of kubelab" in said}
    # What to type next is told wherever a command was refused, and no program says it for us.
    refused = {words: said for words, (code, said) in found.items() if code}
    assert len(refused) > 10
    assert not {words: said for words, said in refused.items() if "\u2192 " not in said}
    assert not {words: said for words, said in refused.items() if "failed (exit code" in said}


FILES = ("artifacts.json", "choice.json", "fingerprint.json", "label", "kubeconfig")


@pytest.mark.parametrize("content", [b"[\xff"])
def test_a_file_that_a_power_cut_damaged_is_told_in_words(content, told, home):
    for name in (*FILES, "run/20261127T093028.486775-up.jsonl"):
        (home / "mine" / name).write_bytes(content)
    found = told()
    assert not {words: said for words, (_, said) in found.items() if "bug of kubelab" in said}
    # What a lab uses is not removed from the cache as long as nobody knows what that is.
    code, said = found["artifacts prune"]
    assert code == 1
    assert "artifacts.json is damaged" in said
    assert "kubelab up --name mine" in said


def test_without_root_nothing_of_a_lab_is_removed(monkeypatch):
    monkeypatch.setattr(remains.os, "geteuid", lambda: 65534)
    with pytest.raises(HostError, match="x-1 cannot be removed") as refused:
        remains.remove_lost("x-1", lambda _: None)
    assert "sudo" in refused.value.hint
