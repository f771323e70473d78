import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from provisioner.artifacts.sources import debian
from provisioner.errors import CommandError
from provisioner.shell import run

APT = """#!/bin/sh
echo "apt-get $*" >> "$CALLS"
[ -z "$DEAD" ] || { echo "E: Could not resolve the mirror"; exit 100; }
case "$*" in
  *indextargets*) echo "mirror-uri bookworm main Debian";;
  *" source "*) touch tool_1.dsc;;
  *" download "*) touch a.deb b.deb;;
esac
"""
SOURCE = """#!/bin/sh
mkdir -p "$3" && echo tree > "$3/main.go"
[ -z "$KILLED" ] || kill -KILL $$
"""
DEB = """#!/bin/sh
mkdir -p "$3/usr/bin" "$3/usr/share/doc" && touch "$3/usr/bin/${2##*/}" "$3/usr/share/doc/x"
"""


class FakeDebian:
    """Programs of Debian that need no network and no root; they write down how they are called."""

    def __init__(self, folder, monkeypatch):
        self.log = folder / "calls"
        programs = folder / "programs"
        programs.mkdir()
        for name, text in (("apt-get", APT), ("dpkg-source", SOURCE), ("dpkg-deb", DEB)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("CALLS", str(self.log))
        monkeypatch.setattr(debian, "TETHER", ())
        debian._updated_apt.cache_clear()

    def calls(self, word):
        return [line for line in self.log.read_text().splitlines() if word in line.split()]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    return FakeDebian(tmp_path, monkeypatch)


def fetch(folder):
    return debian.fetch_source(folder, "bookworm", "tool", "1", lambda *_: None)


def test_a_source_is_fetched_once(fake, tmp_path):
    tree = fetch(tmp_path / "c")
    assert (tree / "main.go").is_file()
    assert fetch(tmp_path / "c") == tree
    assert len(fake.calls("source")) == 1


def test_a_tree_whose_unpacking_was_killed_is_not_taken_for_whole(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("KILLED", "1")
    with pytest.raises(CommandError):
        fetch(tmp_path / "c")
    monkeypatch.delenv("KILLED")
    assert (fetch(tmp_path / "c") / "main.go").is_file()


def test_packages_are_unpacked_over_each_other_without_documentation(fake, tmp_path):
    into = tmp_path / "c/net"
    debian.fetch_packages(tmp_path / "c", "bookworm", ["a", "b"], into, lambda *_: None)
    assert {path.name for path in (into / "usr/bin").iterdir()} == {"a.deb", "b.deb"}
    assert not (into / "usr/share/doc").exists()
    assert not list((tmp_path / "c").glob("*.debs"))


def test_lists_are_updated_once_and_the_hosts_are_left_alone(fake, tmp_path):
    for name in ("a", "b"):
        debian.fetch_packages(tmp_path / "c", "bookworm", [name], tmp_path / name, lambda *_: None)
    (update,) = fake.calls("update")
    assert f"Dir::State::Lists={tmp_path}/c/apt/lists" in update
    assert "deb-src mirror-uri bookworm main" in (tmp_path / "c/apt/sources.list").read_text()


@dataclass
class Flat:
    """A mirror that is a folder on this host."""

    folder: Path

    def line(self, kind):
        return f"deb [trusted=yes] file:{self.folder} ./\n" if kind == "deb" else ""


@pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt on this host")
def test_a_package_that_this_host_has_in_a_newer_version_is_fetched_all_the_same(
    tmp_path, monkeypatch
):
    tree, mirror = tmp_path / "tree", tmp_path / "mirror"
    (tree / "DEBIAN").mkdir(parents=True)
    mirror.mkdir()
    control = "Package: dpkg\nVersion: 0.1\nArchitecture: all\nMaintainer: me\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    (tree / "old").touch()
    run(["dpkg-deb", "--build", str(tree), str(mirror / "dpkg.deb")])
    content = (mirror / "dpkg.deb").read_bytes()
    file = f"Filename: ./dpkg.deb\nSize: {len(content)}\nSHA256: {sha256(content).hexdigest()}\n"
    (mirror / "Packages").write_text(control + file)
    monkeypatch.setattr(debian, "mirrors_of", lambda *_: [Flat(mirror)])
    monkeypatch.setattr(debian, "TETHER", ())
    debian._updated_apt.cache_clear()
    into = tmp_path / "into"
    debian.fetch_packages(tmp_path / "cache", "bookworm", ["dpkg"], into, lambda *_: None)
    assert (into / "old").is_file()


def test_a_dead_mirror_is_named_with_what_to_do(fake, tmp_path, monkeypatch):
    monkeypatch.setenv("DEAD", "1")
    with pytest.raises(CommandError, match="apt-get failed") as dead:
        fetch(tmp_path / "c")
    assert "Could not resolve" in dead.value.details
    assert "apt-get update" in dead.value.hint
