"""The source ``debian-source``: Kubernetes from Debian's source package, in GOPATH mode.

The package vendors its dependencies. The versions that Debian packages are older than the support
of Go modules in all their tools.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from provisioner.artifacts.sources.base import Description, Source
from provisioner.artifacts.sources.debian import fetch_source
from provisioner.artifacts.sources.golang import (
    Go,
    compile_program,
    fetch_module,
    go_of,
    in_use,
    toolchain_faults,
)
from provisioner.catalog.model import Build
from provisioner.model import Tell
from provisioner.shell import TETHER, run

TAG = "+k8s:openapi-gen="
OPENAPI = "pkg/generated/openapi"
# Folders of examples and generators. No API server serves their types.
NOT_SERVED = ("sample-", "code-generator")


class SourceBuild(Build):
    """Commands compiled from a source package of Debian."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["debian-source"]
    package: str
    version: str
    kubernetes: str
    commit: str
    built: str
    toolchain: str
    import_path: str
    commands: list[str]
    pause: str
    vendor: dict[str, str] = Field(default={})


def compile_kubernetes(build: SourceBuild, tree: Path, go: Go, into: Path, tell: Tell) -> None:
    """Compile the commands of ``build`` from its source ``tree`` into ``into``.

    Raises:
        CommandError: a command does not compile.
    """
    place = go.cache / "path/src" / build.import_path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(tree)
    _renew_vendored(build, place, go)
    _generate_openapi(build, place, go, tell)
    packages = [f"./cmd/{command}" for command in build.commands]
    go.build(["-ldflags", _stamps(build), "-o", f"{into}/"], packages, place, tell)
    compile_program(place / build.pause, into / "pause")


def _renew_vendored(build: SourceBuild, place: Path, go: Go) -> None:
    """Replace vendored modules that do not work with the toolchain by newer versions."""
    for module, version in build.vendor.items():
        fetched = fetch_module(module, version, Go(go.root, go.cache))
        target = place / "vendor" / module
        draft = target.with_name(f".{target.name}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(fetched, draft)
        # The target is absent if a run was interrupted between the next two lines.
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)


def _stamps(build: SourceBuild) -> str:
    """Linker flags that set the version. Only the vendored package paths have an effect."""
    major, minor, _ = build.kubernetes.split(".")
    values = {
        "gitVersion": f"v{build.kubernetes}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": build.commit,
        "gitTreeState": "clean",
        "buildDate": build.built,
    }
    vendored = f"{build.import_path}/vendor/k8s.io"
    packages = (f"{vendored}/component-base/version", f"{vendored}/client-go/pkg/version")
    stamps = [
        f"-X {package}.{key}={value}" for package in packages for key, value in values.items()
    ]
    return " ".join(["-s", "-w", *stamps])


def _served_packages(tree: Path) -> Iterator[str]:
    """Paths in the tree of the packages whose types belong to the OpenAPI document."""
    for top in ("pkg", "cmd", "staging/src"):
        for folder, _, files in os.walk(tree / top):
            if any(word in folder for word in NOT_SERVED):
                continue
            sources = [Path(folder, f) for f in files if f.endswith(".go") and "_test" not in f]
            if any(TAG in source.read_text(errors="replace") for source in sources):
                yield str(Path(folder).relative_to(tree))


def _generate_openapi(build: SourceBuild, place: Path, go: Go, tell: Tell) -> None:
    """Generate the OpenAPI definitions that kube-apiserver is compiled with.

    The generator is called directly, because the tree's own make takes forty times as long.
    """
    out = place / OPENAPI / "zz_generated.openapi.go"
    if out.is_file():
        return
    tell("generating OpenAPI", None)
    vendored = f"{build.import_path}/vendor"
    generator = go.cache / "openapi-gen"
    package = f"{vendored}/k8s.io/kube-openapi/cmd/openapi-gen"
    go.call("build", "-o", str(generator), package, cwd=place)
    packages = [
        f"{build.import_path}/{path.replace('staging/src/', 'vendor/')}"
        for path in _served_packages(place)
    ]
    base = go.cache / "openapi"
    arguments = {
        "--input-dirs": ",".join(sorted(packages)),
        "--output-package": f"{build.import_path}/{OPENAPI}",
        "--output-file-base": "zz_generated.openapi",
        "--go-header-file": str(place / "hack/boilerplate/boilerplate.generatego.txt"),
        "--report-filename": str(go.cache / "openapi-violations.txt"),
        "--output-base": str(base),
    }
    words = [word for pair in arguments.items() for word in pair]
    run([*TETHER, str(generator), *words], env=go.env, cwd=place)
    made = base / build.import_path / OPENAPI / out.name
    shutil.copyfile(made, out.with_suffix(".new"))
    out.with_suffix(".new").rename(out)


class DebianSource(
    Source[SourceBuild], word="debian-source", model=SourceBuild, mib=4200, uses="build"
):
    """Compiles Kubernetes from a source package."""

    @property
    def tools(self) -> object:
        """The toolchain."""
        return in_use(self.workshop.catalog.toolchains[self.build.toolchain]).model_dump()

    def describe(self) -> list[Description]:
        """The source package and its version."""
        origin = f"debian-source: {self.build.package}"
        return [Description("build", self.name, self.build.version, origin)]

    def make(self, into: Path, tell: Tell) -> None:
        """Fetch the source package and compile its commands.

        Raises:
            LabError: as ``fetch_source`` and ``compile_kubernetes``.
        """
        build, workshop = self.build, self.workshop
        suite = workshop.catalog.machine_root.suite
        tree = fetch_source(workshop.cache, suite, build.package, build.version, tell)
        go = go_of(workshop, build.toolchain, modules=False)
        compile_kubernetes(build, tree, go, into, tell)

    def faults(self) -> Iterator[str]:
        """The toolchain, if the catalogue does not define it."""
        return toolchain_faults(self.workshop, self.build.toolchain)
