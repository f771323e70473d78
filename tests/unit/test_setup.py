"""Which Python and which packages `make setup` takes, on hosts whose programs are scripts here."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NEEDED = ("bash", "sh", "make", "grep", "echo", "test", "env", "touch", "sed")
# A Python of some version, which has no ensurepip.
PYTHON = """#!/bin/sh
case "$2" in *ensurepip*) exit 1;; *version_info*) [ {minor} -ge 11 ] && [ {minor} -lt 14 ];; esac
"""
DNF = """#!/bin/sh
case "$*" in
  *repolist*) printf 'repo id repo name\\n{repositories}';;
  *) echo "called: dnf $*";;
esac
exit 1
"""
APT = '#!/bin/sh\necho "called: apt-get $*"\n[ "$2" = update ]\n'
HEADERS = "libvirt-devel pkgconf-pkg-config gcc"


@pytest.fixture
def setup(tmp_path):
    """What `make setup` says on a host with these Pythons and this package manager."""

    def run(manager, text, *words, **pythons):
        folder = tmp_path / "bin"
        folder.mkdir()
        programs = {name: PYTHON.format(minor=minor) for name, minor in pythons.items()}
        for name, content in {manager: text, **programs}.items():
            (folder / name.replace("_", ".")).write_text(content)
            (folder / name.replace("_", ".")).chmod(stat.S_IRWXU)
        for name in NEEDED:
            (folder / name).symlink_to(shutil.which(name))
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(PROJECT / name, tmp_path)
        done = subprocess.run(
            [str(folder / "make"), "setup", *words],
            cwd=tmp_path,
            env={"PATH": str(folder)},
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    return run


def test_debian_13_is_set_up_with_its_own_python(setup):
    said = setup("apt-get", APT, python3=13)
    assert "called: apt-get -q install -y python3-venv python3-dev libvirt-dev" in said


def test_a_debian_without_any_python_gets_its_own(setup):
    said = setup("apt-get", APT)
    assert "called: apt-get -q install -y python3-venv python3-dev libvirt-dev" in said


@pytest.mark.parametrize("repository", ["crb", "codeready-builder-for-rhel-9-x86_64-rpms"])
def test_el9_gets_a_python_that_fits_and_headers_from_the_repository_that_is_off(setup, repository):
    others = "crb-source AlmaLinux\\ncodeready-builder-for-rhel-9-x86_64-debug-rpms Red Hat\\n"
    said = setup("dnf", DNF.format(repositories=f"{others}{repository} AlmaLinux\\n"), python3=9)
    wanted = f"-y install --enablerepo={repository} python3.12 python3.12-devel {HEADERS}"
    assert f"called: dnf {wanted}\n" in said


def test_fedora_has_no_such_repository_and_an_older_python_beside_its_own(setup):
    repositories = DNF.format(repositories="updates-testing Fedora\\n")
    said = setup("dnf", repositories, python3=14, python3_13=13)
    assert f"called: dnf -y install python3.13 python3.13-devel {HEADERS}\n" in said


def test_a_python_that_does_not_fit_is_refused_with_what_to_type(setup):
    ready = "#!/bin/sh\nexit 0\n"
    said = setup("dnf", ready, "PYTHON=python3.9", python3_9=9)
    assert "kubelab runs by Python 3.11, 3.12 or 3.13, and python3.9 is another" in said


@pytest.mark.parametrize("folder", ["", "elsewhere/"])
def test_a_virtual_environment_that_was_moved_is_made_anew(setup, tmp_path, folder):
    """Its programs name the Python of the folder that they were made in."""
    made = tmp_path / f"{folder}.venv"
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").write_text(f"command = /usr/bin/python3 -m venv {made}\n")
    (tmp_path / ".venv/.ready").touch()
    # Newer than what the fixture copies.
    os.utime(tmp_path / ".venv/.ready", (time.time() + 600,) * 2)
    said = setup("apt-get", APT, python3=13)
    assert (f"==> .venv was made in {tmp_path}/elsewhere" in said) == bool(folder)
    assert ("called: apt-get" in said) == bool(folder)


def test_the_makefile_and_the_package_want_the_same_pythons():
    assert 'requires-python = ">=3.11,<3.14"' in (PROJECT / "pyproject.toml").read_text()
    assert "(3, 11) <= sys.version_info < (3, 14)" in (PROJECT / "Makefile").read_text()
