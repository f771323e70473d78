"""The source ``pypi``: wheels of a lock, by the pip that kubelab itself was installed with."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from provisioner.artifacts.sources.debian import Tell
from provisioner.catalog.builds import PypiBuild, Wheel
from provisioner.shell import TETHER, run

RETRY = "Check that PyPI, or the index in pip's configuration, can be reached, and run it again."


def requirements(lock: Mapping[str, Wheel]) -> str:
    """A lock as pip reads it: each name at one version, with the sum of its file."""
    lines = (
        f"{name}=={wheel.version} --hash=sha256:{wheel.sha256}" for name, wheel in lock.items()
    )
    return "".join(f"{line}\n" for line in lines)


def install(
    build: PypiBuild, lock: Mapping[str, Wheel], work: Path, into: Path, tell: Tell
) -> None:
    """Install the wheels of ``lock`` below ``into``; nothing of them is run.

    Raises:
        CommandError: the index cannot be reached or lacks one, or a file has another sum.
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
        # A stuck mirror should be told, not waited for.
        env={"PIP_RETRIES": "3", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        timeout=900,
        hint=RETRY,
    )
    # Their first line names the Python of this host.
    shutil.rmtree(target / "bin", ignore_errors=True)
    shutil.rmtree(work)
