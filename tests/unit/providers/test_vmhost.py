"""Versions that break together."""

from types import SimpleNamespace

import pytest

from provisioner.providers import vmhost


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
    monkeypatch.setattr(vmhost.shutil, "which", lambda _: "/usr/bin/vagrant")
    monkeypatch.setattr(vmhost, "run", lambda argv, **_: SimpleNamespace(stdout=said[argv[1]]))
    found = vmhost.VmHost(None, [], None, None).versions()
    assert found[0] is well
    assert core in found[1]
