"""Which profile a host gets where nobody names one."""

import dataclasses

import pytest

from provisioner.catalog.load import known_by
from provisioner.lab import Lab, profiles
from provisioner.model import Finding
from provisioner.phases.machines import make_context
from provisioner.providers.libvirt.preflight import NO_QEMU
from provisioner.queries import doctor
from provisioner.spec import read_spec

WELL = [
    Finding("rights", True, "root"),
    Finding("kvm", True, "usable: a guest booted in 0.2 s, no nested guests"),
    Finding("source-go", True, "the module proxy serves"),
]


@pytest.fixture
def virtual():
    return make_context(Lab("centos7"), read_spec(profiles()["centos7"], known_by), lambda _: None)


def chosen(virtual, monkeypatch, findings):
    monkeypatch.setattr(doctor, "doctor_of", lambda _: findings)
    return doctor.choose(virtual, "embedded")


def changed(name, **values):
    return [dataclasses.replace(f, **values) if f.name == name else f for f in WELL]


def test_a_host_on_which_all_is_well_gets_virtual_machines(virtual, monkeypatch):
    assert chosen(virtual, monkeypatch, WELL).profile == "centos7"


@pytest.mark.parametrize(
    ("findings", "named"),
    [
        (changed("kvm", detail="present, but cannot boot a guest: ..."), "kvm"),
        (changed("kvm", detail="absent: no /dev/kvm"), "kvm"),
        (changed("source-go", ok=False), "source-go"),
        (changed("rights", ok=False), "rights"),
    ],
)
def test_anything_that_is_not_well_makes_it_containers_and_is_named(
    virtual, monkeypatch, findings, named
):
    choice = chosen(virtual, monkeypatch, findings)
    assert choice.profile == "embedded"
    assert named in choice.why
    assert choice.as_json()["checks"][0]["name"] == "rights"


def test_without_qemu_it_is_installed_and_kvm_asked(virtual, monkeypatch):
    answers = [changed("kvm", detail=NO_QEMU), WELL]
    installed = []
    monkeypatch.setattr(doctor, "doctor_of", lambda _: answers.pop(0))
    monkeypatch.setattr(doctor.InstallHostPackages, "run", lambda *_: installed.append(True))
    assert doctor.choose(virtual, "embedded").profile == "centos7"
    assert installed == [True]


def test_nothing_is_installed_where_something_else_is_wrong(virtual, monkeypatch):
    findings = changed("kvm", detail=NO_QEMU)
    findings[0] = dataclasses.replace(findings[0], ok=False)
    monkeypatch.setattr(doctor.InstallHostPackages, "run", lambda *_: pytest.fail("installed"))
    assert chosen(virtual, monkeypatch, findings).profile == "embedded"


def test_publishers_of_the_box_the_files_and_the_packages_are_asked(virtual):
    asked = doctor._published(virtual, cached=False)
    assert set(asked) == {"source-box", "source-files", "source-packages"}
    assert asked["source-box"][0].endswith("Vagrant-2004_01.LibVirt.box")
    assert all("$" not in url for urls in asked.values() for url in urls)
    assert set(doctor._published(virtual, cached=True)) == {"source-packages"}


def test_a_lab_of_packages_asks_no_publisher(virtual):
    own = read_spec(profiles()["embedded"], known_by)
    context = make_context(Lab("embedded"), own, lambda _: None)
    assert doctor._published(context, cached=False) == {}
