"""Commands of Go modules, compiled by a Go that only writes down what it was asked."""

import json
from pathlib import Path

import pytest

from provisioner.artifacts.sources import golang
from provisioner.artifacts.sources.golang import Go, GoBuild, build_module
from provisioner.catalog.load import load_catalog
from provisioner.catalog.model import Toolchain
from provisioner.errors import HostError

REPLACED = {
    "Replace": [
        {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
        {"Old": {"Path": "x.y/z"}, "New": {"Path": "x.y/fork", "Version": "v1.0.0"}},
    ]
}


class WrittenDown(Go):
    """Answers `go mod edit -json` with a go.mod, and compiles nothing."""

    mod: dict = {"Replace": None}  # noqa: RUF012

    def call(self, *words, cwd):
        if "-json" not in words:
            asked.append(words)
        return json.dumps(self.mod)

    def build(self, words, packages, cwd, tell):
        asked.append((*words, *packages))
        assert (cwd / "go.mod").is_file()


asked: list = []


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Build a module, and return the words that Go and the C compiler were given."""
    fetched = tmp_path / "fetched"
    (fetched / "big").mkdir(parents=True)
    (fetched / "go.mod").write_text("module m\n")
    monkeypatch.setattr(golang, "fetch_module", lambda *_: fetched)
    monkeypatch.setattr(golang, "compile_program", lambda *paths: asked.append(paths))
    asked.clear()

    def compile_it(mod, **more):
        build = GoBuild(source="go", module="m", version="v1.2.3", toolchain="1", **more)
        go = WrittenDown(Path("/go"), Path("/cache"))
        monkeypatch.setattr(WrittenDown, "mod", mod)
        build_module(build, go, tmp_path / "work", tmp_path / "out", lambda *_: None)
        return list(asked)

    return compile_it


def test_a_module_is_compiled_as_it_is(compiled):
    out, *packages = compiled({"Replace": None})[0][2:]
    assert out == "-o"
    assert packages[1:] == ["./."]


def test_modules_of_folders_are_required_instead_at_the_version_that_is_told(compiled):
    words = compiled(REPLACED, siblings="v0.31.4")[0]
    assert words == ("mod", "edit", "-dropreplace=k8s.io/api", "-require=k8s.io/api@v0.31.4")


def test_without_a_version_the_one_that_it_asks_for_stays(compiled):
    assert compiled(REPLACED)[0] == ("mod", "edit", "-dropreplace=k8s.io/api")


def test_commands_stamps_and_programs_in_c_are_all_made(compiled, tmp_path):
    stamps = {"m/version.git": "v1.2.3"}
    built, program = compiled(
        {"Replace": None},
        **{"commands": ["cmd/one", "cmd/two"], "stamps": stamps, "programs": {"pause": "a/p.c"}},
    )
    assert built[:2] == ("-ldflags", "-s -w -X m/version.git=v1.2.3")
    assert built[-2:] == ("./cmd/one", "./cmd/two")
    assert program == (tmp_path / "work/tree/a/p.c", tmp_path / "out/pause")


def test_kubernetes_says_its_version_where_programs_ask_for_it():
    stamps = load_catalog({}).builds["kubernetes-1.31.4"].stamps
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert stamps[f"{package}.gitVersion"] == "v1.31.4"
        assert stamps[f"{package}.gitMinor"] == "31"


def test_a_host_without_the_folder_of_a_toolchain_has_its_module(tmp_path, monkeypatch):
    folder = tmp_path / "go-1.19"
    kind = Toolchain(path=folder, version="v0.0.1-go1.19.13.linux-amd64")
    assert golang.in_use(kind) == Toolchain(version=kind.version)
    own = tmp_path / "host"
    for root in (own, folder):
        (root / "bin").mkdir(parents=True)
        (root / "bin/go").write_text("#!/bin/sh\n")
        (root / "bin/go").chmod(0o755)
        monkeypatch.setenv("PATH", f"{own}/bin:/usr/bin:/bin")
        assert golang.host_go({"1.19": kind}) == root
    assert golang.in_use(kind) == Toolchain(path=folder)
    assert golang.toolchain("1.19", {"1.19": kind}, tmp_path) == folder


def test_a_host_without_go_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    kinds = {"1.19": Toolchain(path=tmp_path / "go", version="v1")}
    assert golang.host_go(kinds) is None
    with pytest.raises(HostError, match="no Go on this host"):
        golang.toolchain("1.19", kinds, tmp_path)
