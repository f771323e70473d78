"""Labs that the code of commit 6b1801c wrote, as the commands of today find them.

tests/fixtures/labs/6b1801c has what it wrote, but for keys and kubeconfigs. Their machines are not
here; tests/stories looks at a lab of today that lives.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from provisioner import cli
from provisioner.lab import Lab

PROJECT = Path(__file__).resolve().parents[2]
OLD = PROJECT / "tests/fixtures/labs/6b1801c"
LABS = ("embedded", "debian12", "centos7")


@pytest.fixture
def kubelab(monkeypatch, capsys):
    """Runs a command in this process; its exit code, and what it printed."""
    # This process keeps its own way to end.
    monkeypatch.setattr(cli.signal, "signal", lambda number, act: None)

    def kubelab(*words):
        monkeypatch.setattr(sys, "argv", ["kubelab", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return end.value.code, said.out + said.err

    return kubelab


@pytest.fixture(params=LABS)
def old(request, elsewhere):
    """A lab that was written then, in a folder of labs of its own."""
    lab = Lab(request.param)
    shutil.copytree(OLD / lab.name, lab.dir)
    return lab


def drop_a_key(lab):
    """A key that was in the spec then, and is not any more."""
    lab.spec_file.write_text(lab.spec_file.read_text() + "addons2: []\n")
    return "addons2"


def unknown_version(lab):
    """A version of Kubernetes that has left the catalogue."""
    spec = yaml.safe_load(lab.spec_file.read_text())
    spec["kubernetes"]["version"] = "9.9.9"
    lab.spec_file.write_text(yaml.safe_dump(spec, sort_keys=False))
    return "9.9.9"


def as_written(lab):
    return ""


DAMAGES = [as_written, drop_a_key, unknown_version]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_only_looks_works(old, kubelab, damage):
    damage(old)
    name = ("--name", old.name)
    code, said = kubelab("status", *name)
    assert code == 0, said
    assert all(node in said for node in ("master", "worker1", "worker2", "absent"))
    code, said = kubelab("logs", *name)
    assert code == 0, said
    assert '"phase": "stop"' in said
    assert kubelab("logs", "--timings", *name)[0] == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_kubeconfig_is_found_or_said_to_be_missing(old, kubelab, damage):
    damage(old)
    code, said = kubelab("kubeconfig", "--name", old.name)
    assert (code, "kubelab up" in said) == (1, True), said
    old.kubeconfig.touch()
    code, said = kubelab("kubeconfig", "--name", old.name)
    assert code == 0, said
    assert str(old.kubeconfig) in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_ssh_knows_the_nodes(old, kubelab, damage, monkeypatch):
    damage(old)
    code, said = kubelab("ssh", "--name", old.name, "nope")
    assert code == 2, said
    assert "Nodes: master, worker1, worker2" in said
    became = []
    monkeypatch.setattr(os, "execvp", lambda file, argv: became.append(argv))
    address = yaml.safe_load(old.spec_file.read_text())["nodes"][1]["address"]
    assert kubelab("ssh", "--name", old.name, "worker1", "--", "hostname")[0] == 0
    (argv,) = became
    assert any(word.endswith(f"@{address}") for word in argv)
    assert argv[-1] == "hostname"


@pytest.mark.parametrize("damage", DAMAGES)
def test_stop_has_nothing_to_do(old, kubelab, damage):
    damage(old)
    code, said = kubelab("stop", "--name", old.name)
    assert code == 0, said
    assert "nothing to do" in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_destroy_gets_as_far_as_the_provider(old, kubelab, damage, monkeypatch):
    damage(old)
    if old.name != "embedded":
        # Where there is no libvirt, its daemon is the first thing that is missed.
        monkeypatch.setattr("provisioner.providers.libvirt.service.answers", lambda _: False)
        monkeypatch.setenv("PATH", "/nowhere")
        code, said = kubelab("destroy", "--yes", "--name", old.name)
        assert (code, "virtlogd: no such program" in said) == (1, True), said
        return
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("no nft on this host, or nobody who may use it")
    code, said = kubelab("destroy", "--yes", "--name", old.name)
    assert code == 0, said
    assert not old.dir.exists()


def test_plan_takes_what_was_written_then(old, kubelab):
    code, said = kubelab("plan", "--name", old.name)
    assert code == 0, said
    assert "kubeadm join" in said


@pytest.mark.parametrize("damage", [drop_a_key, unknown_version])
@pytest.mark.parametrize("word", ["plan", "up"])
def test_up_and_plan_judge_the_spec_and_touch_nothing(old, kubelab, damage, word, monkeypatch):
    def never(*words, **more):
        raise AssertionError("it went on with a spec that it has to refuse")

    monkeypatch.setattr("provisioner.cli.lab.run_with_progress", never)
    named = damage(old)
    before = old.spec_file.read_text()
    code, said = kubelab(word, "--name", old.name)
    assert code == 2, said
    assert named in said
    assert old.spec_file.read_text() == before


def test_old_labs_are_seen_together_and_pruning_keeps_what_they_use(kubelab, elsewhere):
    for name in LABS:
        shutil.copytree(OLD / name, Lab(name).dir)
    code, said = kubelab("status")
    assert code == 2, said
    assert all(name in said for name in LABS)
    code, said = kubelab("artifacts", "prune")
    assert code == 0, said
