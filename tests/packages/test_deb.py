"""Packages of a Debian box by the role: it comes without lists of what can be had."""

import re
import subprocess

import pytest

from provisioner.playbooks import environment

pytestmark = pytest.mark.extended
OFFER = "/var/of-a-test"
NAME = "kubelab-of-a-test"
MORE = "kubelab-of-a-test-more"
CONTROL = """\
Package: {name}
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: of a test
{more}
"""


@pytest.fixture
def repository(tmp_path):
    """A repository of a package and another that it recommends, in a folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name, more in ((NAME, f"Recommends: {MORE}"), (MORE, "Section: misc")):
        control = tmp_path / name / "DEBIAN/control"
        control.parent.mkdir(parents=True)
        control.write_text(CONTROL.format(name=name, more=more))
        subprocess.run(["dpkg-deb", "--build", tmp_path / name, folder], check=True, timeout=60)
    words = ["dpkg-scanpackages", "."]
    with (folder / "Packages").open("w") as index:
        subprocess.run(words, cwd=folder, stdout=index, check=True, timeout=60)
    return folder


@pytest.fixture
def install(inside, play, repository):
    """A box without lists whose only source is the repository: runs the role on it."""
    lists = "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /etc/apt/sources.list.d/*"
    # apt's own user may not read a test's folders.
    source = f"cp -r {repository} {OFFER}; echo 'deb [trusted=yes] file:{OFFER} ./'"
    inside("sh", "-ec", f"{lists}; {source} > /etc/apt/sources.list")

    def packages(*names, code=0):
        return play("debian.yml", {"node_packages": names}, code)

    return packages


def test_lists_are_fetched_where_a_package_cannot_be_had_without_them(install, inside):
    assert re.search(r"node .* changed=[1-9]", install(NAME))
    assert inside("dpkg-query", "-W", "-f", "${Status}", NAME) == "install ok installed"
    # What is only recommended was to be had, and stays away.
    assert inside("dpkg-query", "-W", "-f", "${Status}", MORE) == "unknown ok not-installed"
    # Where all is there nothing is asked for: the network may be gone.
    inside("rm", "-r", OFFER)
    assert re.search(r"node .* changed=0 ", install(NAME))


def test_a_package_that_the_lists_do_not_have_is_named(install):
    assert "No package matching 'kubelab-nowhere'" in install("kubelab-nowhere", code=2)


def test_a_box_that_cannot_ask_apt_learns_it(inside, play, monkeypatch, tmp_path):
    # By Mitogen, as where machines are emulated: there the module apt cannot see to that itself.
    for name, value in environment(tmp_path).items():
        if "STRATEGY" in name:
            monkeypatch.setenv(name, value)
    inside("dpkg", "--purge", "--force-depends", "python3-apt")
    assert re.search(r"node .* changed=[1-9]", play("debian.yml", {"node_packages": ["python3"]}))
    status = inside("dpkg-query", "-W", "-f", "${Status}", "python3-apt")
    assert status == "install ok installed"
    assert re.search(r"node .* changed=0 ", play("debian.yml", {"node_packages": ["python3"]}))
