"""Which profile a host gets where nobody names one."""

import dataclasses

import pytest

from provisioner.artifacts.catalog import known_by
from provisioner.lab import Lab, profiles
from provisioner.model import Finding
from provisioner.phases import doctor
from provisioner.phases.machines import make_context
from provisioner.spec import read_spec

WELL = [
    Finding("rights", True, "root"),
    Finding("kvm", True, "usable: a guest booted in 0.2 s, no nested guests"),
    Finding("source-go", True, "the module proxy serves"),
]


@pytest.fixture
def virtual():
    return make_context(
        Lab("debian12"), read_spec(profiles()["debian12"], known_by), lambda _: None
    )


def chosen(virtual, monkeypatch, findings):
    monkeypatch.setattr(doctor, "doctor_of", lambda _: findings)
    return doctor.choose(virtual, "embedded")


def changed(name, **values):
    return [dataclasses.replace(f, **values) if f.name == name else f for f in WELL]


def test_a_host_on_which_all_is_well_gets_virtual_machines(virtual, monkeypatch):
    assert chosen(virtual, monkeypatch, WELL).profile == "debian12"


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
