"""The source ``debian``: packages and source packages, fetched by this host's apt."""

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Literal

from pydantic import ConfigDict

from provisioner.artifacts.sources.base import Description, Source
from provisioner.artifacts.sources.debian_mirrors import RETRY, mirrors_of
from provisioner.catalog.model import Build, MachineRoot
from provisioner.model import Tell
from provisioner.shell import TETHER, run, stream

# Documentation is not needed in containers and lab machines, and is a third of the files.
UNREAD = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
)
APT = ("-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3")
LISTS = Lock()
# dpkg need not sync after every file, because an interrupted root is made again.
QUICK = {"DEBIAN_FRONTEND": "noninteractive", "DPKG_FORCE": "unsafe-io"}


@cache
def _updated_apt(place: Path, suite: str) -> tuple[str, ...]:
    for folder in ("lists/partial", "archives/partial"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    mirrors = mirrors_of(suite, ["apt-get", *APT, "update"])
    lines = [mirror.line(kind) for mirror in mirrors for kind in ("deb-src", "deb")]
    sources = place / "sources.list"
    sources.write_text("".join(lines), encoding="utf-8")
    # What this host has installed or prefers decides nothing: a host of a later suite has a newer
    # libc6, and apt would look for that one.
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Status": "/dev/null",
        "Dir::State::Lists": place / "lists",
        "Dir::Cache": place,
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    command = ("apt-get", *APT, *options)
    # By default apt exits with 0 even if no mirror answered.
    run([*TETHER, *command, "update", "-o", "APT::Update::Error-Mode=any"], hint=RETRY)
    return command


def _apt(folder: Path, suite: str) -> tuple[str, ...]:
    """The command line of apt-get with its own package lists, including source packages.

    The lists are below ``folder`` and updated once per process; the host's lists are not changed.
    The lock is for builds that run in parallel, because only one may write the lists.
    """
    with LISTS:
        return _updated_apt(folder / "apt", suite)


def fetch_source(folder: Path, suite: str, package: str, version: str, tell: Tell) -> Path:
    """Fetch and unpack a source package under ``folder``; returns its tree.

    apt verifies the files against the signed lists. The tree is renamed when it is complete.

    Raises:
        CommandError: apt cannot reach its mirror, or the mirror has no such version.
    """
    place = folder / "sources" / f"{package}-{version}"
    tree, draft = place / "tree", place / "draft"
    if tree.is_dir():
        return tree
    shutil.rmtree(draft, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    tell(f"fetching {package} {version}", None)
    fetch = [*TETHER, *_apt(folder, suite), "source", "--download-only", f"{package}={version}"]
    run(fetch, cwd=place, hint=RETRY)
    tell("unpacking", None)
    description = next(place.glob("*.dsc"))
    run([*TETHER, "dpkg-source", "--extract", description.name, draft.name], cwd=place)
    draft.rename(tree)
    return tree


def fetch_packages(
    folder: Path, suite: str, packages: Sequence[str], into: Path, tell: Tell
) -> None:
    """Fetch packages and unpack them over each other into ``into``, without documentation.

    Raises:
        CommandError: apt cannot reach its mirror, or the mirror has no such package.
    """
    debs = into.parent / f"{into.name}.debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir(parents=True)
    tell(f"fetching {len(packages)} packages", None)
    run([*TETHER, *_apt(folder, suite), "download", *packages], cwd=debs, hint=RETRY)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(deb), str(into)])
    run(["rm", "-rf", str(debs), *(str(into / unread) for unread in UNREAD)])


def make_root(folder: Path, root: MachineRoot, into: Path, tell: Tell) -> None:
    """Make a Debian root with debootstrap, without host keys and without a machine id.

    Raises:
        CommandError: debootstrap failed.
    """
    update = ["apt-get", *APT, "update"]
    mirrors = {mirror.suite: mirror.uri for mirror in mirrors_of(root.suite, update)}
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    command = [
        *TETHER,
        "debootstrap",
        "--variant=minbase",
        f"--cache-dir={debs}",
        f"--include={','.join(root.packages)}",
        root.suite,
        str(into),
        mirrors[root.suite],
    ]
    steps = 0
    with stream(command, env=QUICK, hint=RETRY) as lines:
        for line in lines:
            steps += 1
            # debootstrap retrieves, validates, extracts and configures about 130 packages.
            tell(line.removeprefix("I: ")[:60], min(steps / (6 * len(root.packages) * 5), 0.99))
    run(["systemctl", f"--root={into}", "disable", *root.disabled])
    for key in (into / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (into / "etc/machine-id").write_text("")
    lists = [str(path) for path in (into / "var/lib/apt/lists").iterdir()]
    # debootstrap leaves all packages there, and the cache has them already.
    packages = [str(path) for path in (into / "var/cache/apt/archives").glob("*.deb")]
    run(["rm", "-rf", *(str(into / unread) for unread in UNREAD), *lists, *packages])


class PackageBuild(Build):
    """Binary packages of Debian, unpacked into one tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["debian"]
    packages: list[str]


class PackageSource(Source[PackageBuild], word="debian", model=PackageBuild, mib=50, uses="build"):
    """Unpacks binary packages."""

    def describe(self) -> list[Description]:
        """The packages."""
        packages = ", ".join(self.build.packages)
        return [Description("packages", self.name, packages, "debian")]

    def make(self, into: Path, tell: Tell) -> None:
        """Fetch and unpack the packages.

        Raises:
            LabError: as ``fetch_packages``.
        """
        suite = self.workshop.catalog.machine_root.suite
        fetch_packages(self.workshop.cache, suite, self.build.packages, into, tell)
