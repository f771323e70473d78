"""Which profile a host gets where nobody names one."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from provisioner.artifacts.artifact_set import order_of
from provisioner.artifacts.offer import offers
from provisioner.artifacts.registry_faults import DOWN
from provisioner.cli import common
from provisioner.context import make_context
from provisioner.errors import Interrupted, LabError, SpecError
from provisioner.lab import Lab, profiles
from provisioner.model import Finding
from provisioner.providers.libvirt.kvm import KvmVerdict
from provisioner.queries import doctor
from provisioner.spec import parse_spec, read_spec

PROJECT = Path(__file__).parents[3]
WELL = [
    Finding("rights", True, "root"),
    Finding("kvm", True, "usable: a guest booted in 0.2 s", verdict=KvmVerdict.USABLE),
    Finding("source-go", True, "the module proxy serves"),
]


@pytest.fixture
def virtual():
    return make_context(Lab("centos7"), read_spec(profiles()["centos7"], offers), lambda _: None)


def chosen(findings):
    return doctor.choose("centos7", findings, "embedded")


def published(context, *, cached):
    order = order_of(context.spec, context.workshop)
    return doctor._published(context.workshop, order, cached=cached)


def changed(name, **values):
    return [dataclasses.replace(f, **values) if f.name == name else f for f in WELL]


def test_a_host_on_which_all_is_well_gets_virtual_machines():
    assert chosen(WELL).profile == "centos7"


def test_what_never_ran_is_said_with_the_choice_as_long_as_the_page_says_it():
    """The day that a run of centos7 is recorded, its name goes from NEVER_SEEN."""
    areas = yaml.safe_load((PROJECT / "docs/tested.yml").read_text())["areas"]
    told = [entry for entries in areas.values() for entry in entries]
    unseen = {
        profile
        for profile in profiles()
        if [e for e in told if e["claim"] == f"The profile {profile} becomes a cluster"]
        and not [e for e in told if f"profile {profile} becomes" in e["claim"] and e["date"]]
    }
    assert unseen == doctor.NEVER_SEEN == {"centos7", "debian12-weave"}
    assert "it was never seen to run, and embedded was" in chosen(WELL).why


def test_an_error_of_what_never_ran_names_the_other_profile():
    for choice, named in (
        (chosen(WELL), True),
        (chosen(changed("kvm", verdict=KvmVerdict.BROKEN)), False),
        (None, False),
    ):
        error = LabError("master: it failed", "", "Fix that.")
        with pytest.raises(LabError), common.naming_the_other(choice):
            raise error
        assert error.hint.startswith("Fix that.")
        assert ("`kubelab up embedded`" in error.hint) is named
    with pytest.raises(Interrupted) as caught, common.naming_the_other(chosen(WELL)):
        raise Interrupted("stopped", "", "Run it again.")
    assert caught.value.hint == "Run it again."


@pytest.mark.parametrize(
    ("findings", "named"),
    [
        (changed("kvm", verdict=KvmVerdict.BROKEN), "kvm"),
        (changed("kvm", verdict=KvmVerdict.ABSENT), "kvm"),
        (changed("source-go", ok=False), "source-go"),
        (changed("rights", ok=False), "rights"),
    ],
)
def test_anything_that_is_not_well_makes_it_containers_and_is_named(findings, named):
    choice = chosen(findings)
    assert choice.profile == "embedded"
    assert named in choice.why
    assert choice.as_json()["checks"][0]["name"] == "rights"


def test_without_qemu_it_is_installed_and_kvm_asked(monkeypatch):
    answers = [changed("kvm", verdict=KvmVerdict.NO_QEMU), WELL]
    installed = []
    monkeypatch.setattr(common, "doctor_of", lambda _: answers.pop(0))
    monkeypatch.setattr(common, "run_recipe", lambda recipe, _: installed.extend(recipe))
    assert common.make_choice().profile == "centos7"
    assert [phase.key for phase in installed] == ["host-packages"]


def test_nothing_is_installed_where_something_else_is_wrong():
    findings = changed("kvm", verdict=KvmVerdict.NO_QEMU)
    findings[0] = dataclasses.replace(findings[0], ok=False)
    assert not doctor.lacks_only_qemu(findings)
    assert chosen(findings).profile == "embedded"


def test_publishers_of_the_box_the_files_and_the_packages_are_asked(virtual):
    asked = published(virtual, cached=False)
    assert set(asked) == {"source-box", "source-files", "source-packages"}
    assert asked["source-box"][0].endswith("Vagrant-2004_01.LibVirt.box")
    assert all("$" not in url for urls in asked.values() for url in urls)
    assert set(published(virtual, cached=True)) == {"source-packages"}


def test_a_lab_of_packages_asks_no_publisher(virtual):
    own = read_spec(profiles()["embedded"], offers)
    context = make_context(Lab("embedded"), own, lambda _: None)
    assert published(context, cached=False) == {}


def auto(good):
    good["artifacts"] = {"source": "auto"}
    return parse_spec(good, "lab.yml", offers)


@pytest.fixture
def registries(monkeypatch):
    """Registries that have every image."""
    monkeypatch.setattr("provisioner.artifacts.image_pins.ask", lambda *_: "")


def test_auto_takes_publishers_where_they_answer(good, registries):
    spec, why = doctor.settled(auto(good), None)
    assert spec.artifacts.source == "upstream"
    assert why == "upstream, because all its publishers answer"


def test_auto_takes_packages_where_a_publisher_does_not_answer(good, monkeypatch):
    def down(place, reference, *_):
        raise DOWN.error(place.host, reference, "no route to host")

    monkeypatch.setattr("provisioner.artifacts.image_pins.ask", down)
    spec, why = doctor.settled(auto(good), None)
    assert spec.artifacts.source == "packages"
    assert "ghcr.io does not answer, no route to host" in why


def test_auto_stays_what_it_was_for_a_lab_that_is_there(good, registries):
    before = parse_spec({**good, "artifacts": {"source": "packages"}}, "lab.yml", offers)
    spec, why = doctor.settled(auto(good), before)
    assert (spec.artifacts.source, why) == ("packages", "packages, because the lab was made so")


def test_what_only_publishers_have_is_refused_by_name_where_they_do_not_answer(good, monkeypatch):
    good["kubernetes"]["version"] = "1.31.14"
    told = []
    monkeypatch.setattr(common, "settled", lambda spec, _: (as_packages(spec), "packages"))
    monkeypatch.setattr(common.report, "print_notice", told.append)
    with pytest.raises(SpecError, match=r"artifacts\.source auto") as refused:
        common._settle(auto(good))
    assert "the catalogue of packages has" in refused.value.details
    assert told == ["artifacts.source is auto: packages."]


def as_packages(spec):
    artifacts = spec.artifacts.model_copy(update={"source": "packages"})
    return spec.model_copy(update={"artifacts": artifacts})
