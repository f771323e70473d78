"""Versions that break together, and a libvirt that is far away."""

import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from provisioner.providers.libvirt import plugins, preflight
from provisioner.providers.libvirt.service import hop_of
from provisioner.providers.ssh import SshAccess


@pytest.mark.parametrize(
    ("core", "plugin", "maker", "well"),
    [
        ("2.3.4", "0.11.2", "HashiCorp", True),
        ("2.3.5", "0.12.2", "HashiCorp", False),
        ("2.4.0", "0.12.2", "HashiCorp", False),
        ("2.4.1", "0.12.2", "HashiCorp", True),
        # What Debian 13 has.
        ("2.3.8.dev", "0.12.2", "Debian", True),
    ],
)
def test_vagrant_and_its_plugin(monkeypatch, tmp_path, core, plugin, maker, well):
    folder = tmp_path if maker == "HashiCorp" else tmp_path / "none"
    monkeypatch.setattr(preflight, "HASHICORPS_VAGRANT", folder)
    said = {"--version": f"Vagrant {core}\n", "plugin": f"vagrant-libvirt ({plugin}, system)\n"}
    monkeypatch.setattr(preflight.shutil, "which", lambda _: "/usr/bin/vagrant")
    monkeypatch.setattr(preflight, "run", lambda argv, **_: SimpleNamespace(stdout=said[argv[1]]))
    found = preflight.VmHost(None, [], None, None, Path("/own")).versions()
    assert found[0] is well
    assert core.removesuffix(".dev") in found[1]


def test_a_libvirt_that_is_far_away_is_reached_by_its_host():
    assert hop_of("qemu:///system") == ""
    assert hop_of("qemu+ssh://me@far:2222/system") == "ssh://me@far:2222"


def test_machines_behind_a_hop_are_reached_through_it(tmp_path):
    words = SshAccess.of_lab(tmp_path, "ssh://me@far").argv("10.76.0.10")
    assert "ProxyCommand=ssh -o BatchMode=yes -W %h:%p ssh://me@far" in words
    assert "ProxyCommand" not in " ".join(SshAccess.of_lab(tmp_path).argv("10.76.0.10"))


# A vagrant that has a plugin only where the user installed one.
VAGRANT = """#!/bin/sh
[ "$1" = --version ] && echo "Vagrant 2.4.9" && exit
grep -q vagrant-libvirt "$VAGRANT_HOME/plugins.json" && ls "$VAGRANT_HOME"/gems/* >/dev/null &&
  echo "vagrant-libvirt (0.12.2, global)"
true
"""


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """The user's VAGRANT_HOME and kubelab's, and a vagrant that reads them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vagrant").write_text(VAGRANT)
    (tmp_path / "bin/vagrant").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VAGRANT_HOME", raising=False)
    return tmp_path / ".vagrant.d", tmp_path / "own"


def installed(home):
    (home / "gems/3.3.8").mkdir(parents=True)
    words = {"version": "1", "installed": {"vagrant-libvirt": {"ruby_version": "3.3.8"}}}
    (home / "plugins.json").write_text(json.dumps(words))


def listed(home):
    """What the vagrant that kubelab runs has."""
    return preflight.run(["vagrant", "plugin", "list"], env={"VAGRANT_HOME": str(home)}).stdout


def answer(own):
    return preflight.VmHost(None, [], None, None, own).versions()


def test_the_plugin_of_the_user_is_the_one_that_is_asked_for_and_used(homes):
    theirs, own = homes
    installed(theirs)
    assert answer(own)[:2] == (True, "vagrant 2.4.9, vagrant-libvirt 0.12.2")
    # Nothing was changed by asking.
    assert not own.exists()
    for _ in range(2):
        plugins.take_plugins(own)
        assert "vagrant-libvirt (0.12.2" in listed(own)
    assert not (theirs / "boxes").exists()


def test_a_list_without_the_plugin_gives_way_and_one_with_it_stays(homes):
    theirs, own = homes
    installed(theirs)
    (own / "gems/3.3.8").mkdir(parents=True)
    (own / "plugins.json").write_text('{"version": "1", "installed": {}}')
    plugins.take_plugins(own)
    assert (own / "plugins.json").resolve() == theirs / "plugins.json"
    (own / "plugins.json").unlink()
    (own / "plugins.json").write_text((theirs / "plugins.json").read_text())
    plugins.take_plugins(own)
    assert not (own / "plugins.json").is_symlink()


def test_a_plugin_that_the_user_removed_is_gone(homes):
    theirs, own = homes
    installed(theirs)
    plugins.take_plugins(own)
    (theirs / "plugins.json").write_text('{"version": "1", "installed": {}}')
    plugins.take_plugins(own)
    assert not (own / "plugins.json").is_symlink()
    found = answer(own)
    assert found[:2] == (False, "vagrant 2.4.9, vagrant-libvirt missing")
    assert "from your distribution" in found[2]


def test_beside_hashicorps_vagrant_the_plugin_is_vagrants_own(homes, monkeypatch, tmp_path):
    monkeypatch.setattr(plugins, "HASHICORPS_VAGRANT", tmp_path)
    assert "vagrant plugin install vagrant-libvirt" in answer(homes[1])[2]
