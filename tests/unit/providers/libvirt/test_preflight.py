"""Versions that break together, and a libvirt that is far away."""

from types import SimpleNamespace

import pytest

from provisioner.providers.libvirt import preflight
from provisioner.providers.libvirt.service import hop_of
from provisioner.providers.ssh import SshAccess


@pytest.mark.parametrize(
    ("core", "plugin", "well"),
    [
        ("2.3.4", "0.11.2", True),
        ("2.3.5", "0.12.2", False),
        ("2.4.0", "0.12.2", False),
        ("2.4.1", "0.12.2", True),
    ],
)
def test_vagrant_and_its_plugin(monkeypatch, core, plugin, well):
    said = {"--version": f"Vagrant {core}\n", "plugin": f"vagrant-libvirt ({plugin}, system)\n"}
    monkeypatch.setattr(preflight.shutil, "which", lambda _: "/usr/bin/vagrant")
    monkeypatch.setattr(preflight, "run", lambda argv, **_: SimpleNamespace(stdout=said[argv[1]]))
    found = preflight.VmHost(None, [], None, None).versions()
    assert found[0] is well
    assert core in found[1]


def test_a_libvirt_that_is_far_away_is_reached_by_its_host():
    assert hop_of("qemu:///system") == ""
    assert hop_of("qemu+ssh://me@far:2222/system") == "ssh://me@far:2222"


def test_machines_behind_a_hop_are_reached_through_it(tmp_path):
    words = SshAccess.of_lab(tmp_path, "ssh://me@far").argv("10.76.0.10")
    assert "ProxyCommand=ssh -o BatchMode=yes -W %h:%p ssh://me@far" in words
    assert "ProxyCommand" not in " ".join(SshAccess.of_lab(tmp_path).argv("10.76.0.10"))
