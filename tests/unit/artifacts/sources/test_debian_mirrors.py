"""Where a Debian suite comes from: a host of it, of another suite, of another distribution."""

import platform
import stat
from pathlib import Path

import pytest

from provisioner.artifacts.sources import debian_mirrors
from provisioner.artifacts.sources.debian_mirrors import Mirror, mirrors_known, mirrors_of
from provisioner.catalog.load import load_catalog
from provisioner.errors import LabError

OWN, SAFE = "http://mirror.lan/debian/", "http://mirror.lan/debian-security/"
POCKETS = [(OWN, ""), (OWN, "-updates"), (SAFE, "-security")]


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host of a distribution, whose apt has mirrors for these suites."""

    def make(*suites, like="debian"):
        known = [f"{uri} {suite}{end} main Debian" for suite in suites for uri, end in POCKETS]
        lines = "".join(f'echo "{line}"\n' for line in known)
        if suites:
            lines += f'echo "{OWN} {suites[0]}-backports main Debian Backports"\n'
        (tmp_path / "apt-get").write_text(f"#!/bin/sh\n{lines}")
        (tmp_path / "apt-get").chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        release = {"ID": like, "VERSION_CODENAME": suites[0] if suites else "trixie"}
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)

    return make


def test_on_a_host_of_the_suite_apt_has_its_mirrors(host):
    host("bookworm")
    assert {(m.uri, m.suite) for m in mirrors_known("bookworm")} == {
        (OWN, "bookworm"),
        (OWN, "bookworm-updates"),
        (OWN, "bookworm-backports"),
        (SAFE, "bookworm-security"),
    }


def test_a_mirror_of_another_suite_has_this_one_too(host):
    host("trixie")
    assert sorted(mirrors_known("bookworm")) == [
        Mirror(SAFE, "bookworm-security"),
        Mirror(OWN, "bookworm"),
        Mirror(OWN, "bookworm-updates"),
    ]
    # By the keys that this apt trusts.
    assert mirrors_known("bookworm")[0].line("deb").startswith(f"deb {SAFE[:-1]}")


def test_a_suite_that_apt_knows_beside_its_own_comes_from_there(host):
    host("trixie", "bookworm")
    assert {m.suite for m in mirrors_known("bookworm")} == {
        *("bookworm", "bookworm-updates", "bookworm-security")
    }


def test_another_distribution_has_the_mirror_that_it_is_told_and_debians_keys(host, monkeypatch):
    host("noble", like="ubuntu")
    assert mirrors_known("bookworm") == []
    monkeypatch.setenv("KUBELAB_DEBIAN_MIRROR", OWN)
    assert [(m.uri, m.suite) for m in mirrors_known("bookworm")] == [
        (OWN, "bookworm"),
        (OWN, "bookworm-updates"),
    ]
    line = mirrors_known("bookworm")[0].line("deb")
    assert line == f"deb [signed-by={debian_mirrors.KEYRING}] {OWN} bookworm main\n"


def test_without_apt_there_is_no_mirror(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mirrors_known("bookworm") == []
    with pytest.raises(LabError, match="knows no Debian bookworm"):
        mirrors_of("bookworm", ["true"])


def test_lists_are_fetched_where_there_are_none(host, tmp_path):
    host()
    with pytest.raises(LabError, match="knows no Debian bookworm") as caught:
        mirrors_of("bookworm", ["touch", str(tmp_path / "updated")])
    assert "KUBELAB_DEBIAN_MIRROR" in caught.value.hint
    assert (tmp_path / "updated").exists()


def test_the_keys_come_with_the_packages_to_build():
    assert "debian-archive-keyring" in load_catalog({}).host_packages["apt"].build
    assert Path("/usr/share/keyrings") == debian_mirrors.KEYRING.parent


def test_others_that_call_themselves_by_a_suite_of_debian_are_left_out(host, tmp_path):
    host("trixie")
    others = (
        "http://one.lan trixie stable Docker",
        "http://two.lan trixie main Artifactory",
        "file:/srv/debs ./",
    )
    fresh = "http://new.lan trixie main"
    with (tmp_path / "apt-get").open("a") as apt:
        apt.writelines(f'echo "{line}"\n' for line in (*others, fresh))
    uris = {mirror.uri for mirror in mirrors_known("bookworm")}
    assert uris == {OWN, SAFE, "http://new.lan"}
