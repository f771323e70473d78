"""What is asked of this host, and what a package manager installs on it, which is a script here."""

import stat

import pytest

from provisioner import host_packages
from provisioner.artifacts.offer import offers
from provisioner.context import Context
from provisioner.errors import CommandError, HostError
from provisioner.host_packages import PROGRAMS, packages_answer
from provisioner.lab import Lab
from provisioner.model import Finding
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.queries.doctor import _probe
from provisioner.spec import parse_spec
from tests.fakes import FakeProvider

# Installed is what is listed in a file; whatever is installed is added to it.
QUERY = """#!/bin/sh
shift 3
for name in "$@"; do grep -qx "$name" {installed} && echo "$name installed"; done
true
"""
# What the repositories have: everything but what is named in a file.
CACHE = """#!/bin/sh
shift 2
for name in "$@"; do grep -qx "$name" {unknown} || echo "Package: $name"; done
"""
APT = """#!/bin/sh
echo "$DEBIAN_FRONTEND: $*" >> {calls}
[ -e {broken} ] && {{ echo "E: no network" >&2; exit 100; }}
[ "$2" = update ] && exit 0
shift 3
for name in "$@"; do echo "Setting up $name"; echo "$name" >> {installed}; done
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder with a package manager of Debian's that installs nothing."""
    folder = tmp_path / "host"
    folder.mkdir()
    places = {name: folder / name for name in ("installed", "calls", "broken", "unknown")}
    places["installed"].write_text("")
    places["unknown"].write_text("")
    (folder / "mirror_main_Packages.gz").touch()
    monkeypatch.setattr(host_packages, "APT_LISTS", folder)
    for name, text in (("dpkg-query", QUERY), ("apt-get", APT), ("apt-cache", CACHE)):
        (folder / name).write_text(text.format(**places))
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def context(good, tmp_path, host):
    spec = parse_spec(good, "lab.yml", offers)
    provider = FakeProvider(spec.machines, tmp_path / "ssh")
    return Context(Lab(spec.name), spec, provider, lambda _: None)


def calls(host):
    return (host / "calls").read_text().splitlines() if (host / "calls").exists() else []


def test_what_is_missing_is_installed_once_and_without_questions(context, host):
    phase = InstallHostPackages()
    assert phase.needed(context)
    said = phase.run(context).said
    update, install = calls(host)
    assert update == "noninteractive: -q update"
    assert install.startswith("noninteractive: -qy install --no-install-recommends ")
    assert {"debootstrap", "systemd-container"} <= set(install.split())
    assert "chromium" not in install
    assert "debootstrap" in said
    assert not phase.needed(context)


def test_what_is_there_is_not_asked_for(context, host):
    InstallHostPackages().run(context)
    kept = [x for x in (host / "installed").read_text().splitlines() if x != "debootstrap"]
    (host / "installed").write_text("\n".join(kept) + "\n")
    InstallHostPackages().run(context)
    assert calls(host)[-1].split()[-1] == "debootstrap"
    assert len(calls(host)[-1].split()) == 5


def test_more_uses_bring_more_packages(context, host):
    InstallHostPackages(more=("test",)).run(context)
    assert "chromium" in calls(host)[-1].split()


def test_a_package_manager_that_fails_is_an_error_with_what_it_said(context, host):
    (host / "broken").touch()
    with pytest.raises(CommandError) as caught:
        InstallHostPackages().run(context)
    assert "E: no network" in caught.value.details
    assert "by hand" in caught.value.hint
    assert len(calls(host)) == 1


def test_a_host_without_a_package_manager_that_is_known_is_left_alone(context, monkeypatch, host):
    (host / "apt-get").unlink()
    monkeypatch.setenv("PATH", str(host))
    assert not InstallHostPackages().needed(context)


def test_every_fault_of_the_host_is_in_one_error(context, host):
    InstallHostPackages().run(context)
    context.provider.findings = [
        Finding("root", False, "you are nobody", hint="Use sudo."),
        Finding("disk", True, "100 GiB free"),
        Finding("memory", False, "1 GiB free", hint="Make room."),
    ]
    with pytest.raises(HostError) as caught:
        CheckHost().run(context)
    assert caught.value.brief == "this host cannot run the lab: root, memory"
    assert caught.value.details == "root: you are nobody\nmemory: 1 GiB free"
    assert caught.value.hint.split("\n  ") == ["Use sudo.", "Make room."]


def test_a_host_that_can_serve_is_told_by_the_number_of_questions(context, host):
    InstallHostPackages().run(context)
    assert CheckHost().run(context).said == "1 checks passed"


def test_programs_that_packages_bring_may_be_missing_before_they_are_installed(context, host):
    context.provider.findings = [Finding(PROGRAMS, False, "no systemd-nspawn", hint="Install it.")]
    CheckHost().run(context)
    InstallHostPackages().run(context)
    with pytest.raises(HostError, match="no systemd-nspawn"):
        CheckHost().run(context)


USES = ("build", "machine")


def test_what_a_host_lacks_is_said_before_anything_is_installed(context, host):
    ok, said, _ = packages_answer(context.catalog, USES)
    assert ok
    assert said.startswith("`kubelab up` installs ")
    assert {"debootstrap,", "systemd-container,"} <= set(said.split())
    assert calls(host) == []
    InstallHostPackages().run(context)
    assert packages_answer(context.catalog, USES) == (True, "all there", "")


def test_a_package_that_no_repository_has_is_named_before_anything_is_installed(context, host):
    (host / "unknown").write_text("golang-go\nskopeo\n")
    with pytest.raises(HostError, match="packages") as caught:
        CheckHost().run(context)
    assert "in no repository of this host: golang-go" in caught.value.details
    assert "HashiCorp" not in caught.value.hint
    assert calls(host) == []
    (host / "unknown").write_text("vagrant\n")
    assert "vagrant plugin install" in packages_answer(context.catalog, ("vagrant",))[2]


def test_without_lists_of_packages_nothing_is_said_of_what_they_have(context, host):
    (host / "unknown").write_text("golang-go\n")
    (host / "mirror_main_Packages.gz").unlink()
    assert packages_answer(context.catalog, USES)[0]


def test_beside_hashicorps_vagrant_that_of_the_distribution_is_not_wanted(
    context, monkeypatch, tmp_path, host
):
    wanted = host_packages.wanted_packages(context.catalog, ("vagrant",))
    assert {"vagrant", "vagrant-libvirt"} < set(wanted)
    monkeypatch.setattr(host_packages, "HASHICORPS_VAGRANT", tmp_path)
    fewer = host_packages.wanted_packages(context.catalog, ("vagrant",))
    assert fewer == [name for name in wanted if name not in ("vagrant", "vagrant-libvirt")]


def test_the_doctor_blames_no_program_that_packages_bring(context, host):
    context.provider.findings = [
        Finding(PROGRAMS, False, "no systemd-nspawn", hint="Install it."),
        Finding("root", False, "you are nobody"),
    ]
    assert [finding.name for finding in _probe(context, USES)] == ["root"]
    InstallHostPackages().run(context)
    assert [finding.name for finding in _probe(context, USES)] == [PROGRAMS, "root"]


def test_what_packages_brought_is_asked_for_once_they_are_there(context, host):
    phase = InstallHostPackages(ask=True)
    context.provider.findings = [Finding("vagrant", False, "vagrant 2.3.7: known to break")]
    with pytest.raises(HostError, match="known to break"):
        phase.run(context)
    assert not phase.needed(context)
    context.provider.findings = [Finding("vagrant", True, "vagrant 2.3.4")]
    (host / "installed").write_text("")
    assert phase.run(context).said.startswith("installed ")
    (host / "installed").write_text("")
    context.provider.findings = [Finding("vagrant", False, "vagrant 2.3.7: known to break")]
    assert InstallHostPackages().run(context).said.startswith("installed ")
