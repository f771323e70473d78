"""The source ``go``: commands of Go modules, and the toolchains that compile all Go here."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from filelock import FileLock
from pydantic import ConfigDict, Field

from provisioner.artifacts.sources.base import Description, Source, Workshop
from provisioner.catalog.model import Build, Toolchain
from provisioner.errors import HostError
from provisioner.model import Tell
from provisioner.shell import TETHER, run, stream

RETRY = "Check that the Go module proxy (GOPROXY) can be reached and run it again: all is kept."


class GoBuild(Build):
    """Commands of a Go module, and programs in C that lie in its tree.

    ``siblings`` is the version of the modules that its go.mod replaces by folders beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["go"]
    module: str
    version: str
    toolchain: str
    commands: list[str] = Field(default=["."])
    programs: dict[str, str] = Field(default={})
    siblings: str = ""
    stamps: dict[str, str] = Field(default={})
    omit: list[str] = Field(default=[])


@dataclass(frozen=True)
class Go:
    """Go with a cache of its own; ``root`` is the toolchain's folder (GOROOT)."""

    root: Path
    cache: Path
    modules: bool = True

    @property
    def env(self) -> dict[str, str]:
        """The environment for the go command; nothing of the user's own Go is read or written."""
        return {
            "GOROOT": str(self.root),
            "GOPATH": str(self.cache / "path"),
            "GOCACHE": str(self.cache / "build"),
            "GOMODCACHE": str(self.cache / "modules"),
            "GO111MODULE": "on" if self.modules else "off",
            "GOFLAGS": "-buildvcs=false" + (" -modcacherw -mod=mod" if self.modules else ""),
            "GOTOOLCHAIN": "local",
            "GOENV": "off",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }

    def call(self, *words: str, cwd: Path) -> str:
        """Run ``go`` with these words and return what it printed.

        Raises:
            CommandError: it failed.
        """
        program = str(self.root / "bin/go")
        return run([*TETHER, program, *words], env=self.env, cwd=cwd, hint=RETRY).stdout

    def build(self, words: Sequence[str], packages: Sequence[str], cwd: Path, tell: Tell) -> None:
        """Run ``go build``, and tell how many packages of how many are compiled.

        Raises:
            CommandError: a package does not compile, or a module cannot be had.
        """
        tell("reading packages", None)
        total = len(self.call("list", "-deps", *packages, cwd=cwd).splitlines())
        done = 0
        command = [str(self.root / "bin/go"), "build", "-v", "-trimpath", *words, *packages]
        with stream([*TETHER, *command], env=self.env, cwd=cwd, hint=RETRY) as lines:
            for line in lines:
                if not line.startswith("go: "):
                    done += 1
                    tell(f"compiled {done} of {total} packages", min(done / total, 0.99))


def toolchain(name: str, kinds: Mapping[str, Toolchain], helper: Path, cache: Path) -> Path:
    """The folder of a toolchain; one that the proxy serves is fetched by the Go in ``helper``.

    Raises:
        HostError: the package that should put it there is not installed.
        CommandError: the proxy does not serve it.
    """
    kind = kinds[name]
    if kind.path:
        if not (kind.path / "bin/go").is_file():
            raise HostError(
                f"no Go {name} in {kind.path}",
                "Artifacts are compiled with the distribution's own Go.",
                "Run `kubelab up`, which installs it, or apt-get install golang-1.19-go.",
            )
        return kind.path
    place = cache / "toolchains" / kind.version
    with FileLock(cache / "toolchains.lock"):
        if not place.exists():
            _fetch_toolchain(kind.version, place, Go(helper, cache))
    return place


def _fetch_toolchain(version: str, place: Path, go: Go) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{version}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(fetch_module("golang.org/toolchain", version, go), draft)
    # Module archives carry no modes; what a toolchain runs lies in these two folders.
    for folder in ("bin", "pkg/tool"):
        for file in (draft / folder).rglob("*"):
            file.chmod(0o755)
    draft.rename(place)


def fetch_module(module: str, version: str, go: Go) -> Path:
    """The folder of a module in the module cache; Go checks it against its checksum database.

    Raises:
        CommandError: the proxy does not serve that version.
    """
    go.cache.mkdir(parents=True, exist_ok=True)
    words = ("mod", "download", "-json", f"{module}@{version}")
    return Path(json.loads(go.call(*words, cwd=go.cache))["Dir"])


def compile_program(source: Path, out: Path) -> None:
    """Compile a program in C that is one file, and wants nothing of the system that it runs on.

    Raises:
        CommandError: it does not compile.
    """
    run([*TETHER, "gcc", "-Os", "-static", "-o", str(out), str(source)])
    run(["strip", str(out)])


def _require_siblings(build: GoBuild, go: Go, tree: Path) -> None:
    """Require the modules that go.mod replaces by folders, which its archive does not have.

    They are published beside it: at the version that go.mod asks for, or at ``siblings``.
    """
    words = []
    for replace in json.loads(go.call("mod", "edit", "-json", cwd=tree))["Replace"] or []:
        if "Version" not in replace["New"]:
            module = replace["Old"]["Path"]
            words.append(f"-dropreplace={module}")
            words += [f"-require={module}@{build.siblings}"] if build.siblings else []
    if words:
        go.call("mod", "edit", *words, cwd=tree)


def build_module(build: GoBuild, go: Go, work: Path, into: Path, tell: Tell) -> None:
    """Compile the commands of a module into ``into``.

    The module is checked by Go against its checksum database, copied out of the module cache, and
    compiled there: as the main module it may replace others, which Go allows no other to do, and
    packages which the catalogue omits can be left empty.

    Raises:
        CommandError: the module cannot be had, or does not compile.
    """
    work.mkdir(parents=True, exist_ok=True)
    tell(f"fetching {build.module} {build.version}", None)
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(fetch_module(build.module, build.version, go), tree)
    for package in build.omit:
        shutil.rmtree(tree / package)
        (tree / package).mkdir()
        (tree / package / "omitted.go").write_text(f"package {Path(package).name}\n")
    _require_siblings(build, go, tree)
    stamps = [f"-X {variable}={value}" for variable, value in build.stamps.items()]
    packages = [f"./{command}" for command in build.commands]
    flags = " ".join(["-s", "-w", *stamps])
    go.build(["-ldflags", flags, "-o", f"{into}/"], packages, tree, tell)
    for name, source in build.programs.items():
        compile_program(tree / source, into / name)
    shutil.rmtree(work)


def go_of(workshop: Workshop, name: str, *, modules: bool = True) -> Go:
    """The toolchain of that name, fetched where it is not there yet.

    Raises:
        LabError: as ``toolchain``.
    """
    kinds, cache = workshop.catalog.toolchains, workshop.cache / "go"
    # Any toolchain that a package installs can fetch those that the proxy serves.
    local = next(kind.path for kind in kinds.values() if kind.path)
    return Go(toolchain(name, kinds, local, cache), cache, modules)


def toolchain_faults(workshop: Workshop, name: str) -> Iterator[str]:
    """Why a build's toolchain is none of the catalogue's."""
    if name not in workshop.catalog.toolchains:
        yield f"toolchain: no toolchain {name!r}"


class GoSource(Source[GoBuild]):
    """Compiles commands of a Go module."""

    word: ClassVar[str] = "go"
    model: ClassVar[type[Build]] = GoBuild

    @property
    def tools(self) -> object:
        """The toolchain."""
        return self.workshop.catalog.toolchains[self.build.toolchain].model_dump()

    @property
    def room(self) -> int:
        """Some 500 MiB a command."""
        return 500 * len(self.build.commands)

    def describe(self) -> list[Description]:
        """The module and its version."""
        origin = f"go: {self.build.module}"
        return [Description("build", self.name, self.build.version, origin)]

    def make(self, into: Path, tell: Tell) -> None:
        """Compile the commands.

        Raises:
            LabError: as ``build_module``.
        """
        go = go_of(self.workshop, self.build.toolchain)
        build_module(self.build, go, self.workshop.cache / "work" / self.name, into, tell)

    def faults(self) -> Iterator[str]:
        """A toolchain that is not there."""
        return toolchain_faults(self.workshop, self.build.toolchain)
