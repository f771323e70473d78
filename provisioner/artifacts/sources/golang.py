"""The source ``go``: commands of Go modules. Also the toolchains for all Go builds."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from provisioner.artifacts.sources.base import Description, Source, Workshop
from provisioner.catalog.model import Build, Toolchain
from provisioner.errors import HostError
from provisioner.locks import private_lock
from provisioner.model import Tell
from provisioner.shell import TETHER, run, stream

RETRY = "Check that this host reaches the Go module proxy (GOPROXY), then run the command again."


class GoBuild(Build):
    """Commands of a Go module, and C programs in its tree.

    ``siblings`` is the version of the modules that its go.mod replaces by local folders.
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
    """A Go toolchain in the folder ``root`` (GOROOT), with its own ``cache`` folder."""

    root: Path
    cache: Path
    modules: bool = True

    @property
    def env(self) -> dict[str, str]:
        """The environment of the go command; it does not use the user's own Go settings."""
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
        """Run ``go`` with these arguments and return its standard output.

        Raises:
            CommandError: go failed.
        """
        program = str(self.root / "bin/go")
        return run([*TETHER, program, *words], env=self.env, cwd=cwd, hint=RETRY).stdout

    def build(self, words: Sequence[str], packages: Sequence[str], cwd: Path, tell: Tell) -> None:
        """Run ``go build`` and report the number of compiled packages to ``tell``.

        Raises:
            CommandError: a package does not compile, or a module cannot be fetched.
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


def in_use(kind: Toolchain) -> Toolchain:
    """What of a toolchain this host takes: the folder alone, or the module alone."""
    there = kind.path and (kind.path / "bin/go").is_file()
    return kind.model_copy(update={"version": ""} if there else {"path": None})


def host_go(kinds: Mapping[str, Toolchain]) -> Path | None:
    """The folder of a Go on this host, of any version; None if there is none."""
    folders = [found.path for kind in kinds.values() if (found := in_use(kind)).path]
    program = shutil.which("go")
    return next(iter(folders), Path(program).resolve().parents[1] if program else None)


def toolchain(name: str, kinds: Mapping[str, Toolchain], cache: Path) -> Path:
    """The folder of a toolchain; the host's Go fetches one that the module proxy serves.

    Raises:
        HostError: this host has no Go.
        CommandError: the proxy does not serve it.
    """
    kind, helper = in_use(kinds[name]), host_go(kinds)
    if kind.path:
        return kind.path
    if helper is None:
        raise HostError(
            "no Go on this host",
            "It fetches the toolchains that artifacts are compiled with.",
            "Run `kubelab up`, which installs it, or install golang-go (Debian, Ubuntu) or golang.",
        )
    place = cache / "toolchains" / kind.version
    with private_lock(cache / "toolchains.lock"):
        if not place.exists():
            _fetch_toolchain(kind.version, place, Go(helper, cache))
    return place


def _fetch_toolchain(version: str, place: Path, go: Go) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{version}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(fetch_module("golang.org/toolchain", version, go), draft)
    # Module archives have no file modes. The toolchain's programs are in these two folders.
    for folder in ("bin", "pkg/tool"):
        for file in (draft / folder).rglob("*"):
            file.chmod(0o755)
    draft.rename(place)


def fetch_module(module: str, version: str, go: Go) -> Path:
    """Fetch a module, verified by Go's checksum database; returns its folder in the cache.

    Raises:
        CommandError: the proxy does not serve that version.
    """
    go.cache.mkdir(parents=True, exist_ok=True)
    words = ("mod", "download", "-json", f"{module}@{version}")
    return Path(json.loads(go.call(*words, cwd=go.cache))["Dir"])


def compile_program(source: Path, out: Path) -> None:
    """Compile a C program of one file into a static binary.

    Raises:
        CommandError: the program does not compile.
    """
    run([*TETHER, "gcc", "-Os", "-static", "-o", str(out), str(source)])
    run(["strip", str(out)])


def _require_siblings(build: GoBuild, go: Go, tree: Path) -> None:
    """Require published versions of the modules that go.mod replaces by local folders.

    The module's archive lacks those folders. The version is the one that go.mod requires, or
    ``siblings``.
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

    Go verifies the module against its checksum database. It is copied out of the module cache
    to be the main module: Go obeys ``replace`` in the main module only, and the packages that the
    catalogue omits can be emptied in the copy.

    Raises:
        CommandError: the module cannot be fetched, or does not compile.
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
    """The toolchain of that name; it is fetched if it is missing.

    Raises:
        LabError: as ``toolchain``.
    """
    cache = workshop.cache / "go"
    return Go(toolchain(name, workshop.catalog.toolchains, cache), cache, modules)


def toolchain_faults(workshop: Workshop, name: str) -> Iterator[str]:
    """The fault of a build whose toolchain is not in the catalogue."""
    if name not in workshop.catalog.toolchains:
        yield f"toolchain: no toolchain {name!r}"


class GoSource(Source[GoBuild], word="go", model=GoBuild, mib=500, uses="build"):
    """Compiles commands of a Go module."""

    @property
    def tools(self) -> object:
        """The toolchain."""
        return in_use(self.workshop.catalog.toolchains[self.build.toolchain]).model_dump()

    @property
    def room(self) -> int:
        """Disk space in MiB, by the number of commands."""
        return self.mib * len(self.build.commands)

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
        """The toolchain, if the catalogue does not define it."""
        return toolchain_faults(self.workshop, self.build.toolchain)
