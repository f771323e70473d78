"""The source ``pypi``: wheels of a lock, installed by kubelab's own pip."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from provisioner.artifacts.sources.base import Description, Source
from provisioner.catalog.model import Build, Wheel
from provisioner.model import Tell
from provisioner.shell import TETHER, run

RETRY = "Check that this host reaches PyPI or pip's configured index, then run the command again."


class PypiBuild(Build):
    """The wheels of a lock, installed into ``folder`` for one Python version and platforms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["pypi"]
    lock: str
    python: str
    platforms: list[str]
    folder: str


def requirements(lock: Mapping[str, Wheel]) -> str:
    """The lock as a requirements file: each name at one version, with its SHA-256."""
    lines = (
        f"{name}=={wheel.version} --hash=sha256:{wheel.sha256}" for name, wheel in lock.items()
    )
    return "".join(f"{line}\n" for line in lines)


def install(
    build: PypiBuild, lock: Mapping[str, Wheel], work: Path, into: Path, tell: Tell
) -> None:
    """Install the wheels of ``lock`` below ``into`` without running any of their code.

    Raises:
        CommandError: pip cannot reach the index, a wheel is missing, or a checksum differs.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wanted = work / "requirements.txt"
    wanted.write_text(requirements(lock), encoding="utf-8")
    target = into / build.folder
    tell(f"fetching {len(lock)} wheels", None)
    run(
        [
            *(*TETHER, sys.executable, "-m", "pip", "install", "--quiet", "--no-input"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
            *("--implementation", "cp", "--python-version", build.python),
            *(word for platform in build.platforms for word in ("--platform", platform)),
            *("--target", str(target), "--requirement", str(wanted)),
        ],
        # Few retries, so that a stuck mirror is reported soon.
        env={"PIP_RETRIES": "3", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        timeout=900,
        hint=RETRY,
    )
    # The scripts in it start with the path of this host's Python.
    shutil.rmtree(target / "bin", ignore_errors=True)
    shutil.rmtree(work)


class PypiSource(Source[PypiBuild], word="pypi", model=PypiBuild, mib=100):
    """Installs the wheels of a lock."""

    @property
    def lock(self) -> Mapping[str, Wheel]:
        """The wheels by name."""
        return self.workshop.catalog.python_locks[self.build.lock]

    @property
    def tools(self) -> object:
        """The lock, as pip reads it."""
        return requirements(self.lock)

    def describe(self) -> list[Description]:
        """The number of wheels."""
        return [Description("wheels", self.name, f"{len(self.lock)} wheels", "pypi")]

    def make(self, into: Path, tell: Tell) -> None:
        """Install the wheels.

        Raises:
            LabError: as ``install``.
        """
        install(self.build, self.lock, self.workshop.cache / "work" / self.name, into, tell)

    def faults(self) -> Iterator[str]:
        """The lock, if the catalogue does not define it."""
        if self.build.lock not in self.workshop.catalog.python_locks:
            yield f"lock: no lock {self.build.lock!r}"
