"""The source ``debian``: packages and source packages, through the apt of this host."""

from collections.abc import Callable, Sequence
from pathlib import Path

from provisioner.artifacts.catalog import MachineRoot
from provisioner.errors import CommandError, LabError
from provisioner.shell import TETHER, run, stream

Tell = Callable[[str, float | None], None]
"""Says how far a build is: a few words, and a fraction of 1 (or None)."""

RETRY = "Check the network or the proxy of apt (`apt-get update`) and run it again: all is kept."
# Nobody reads them in a container or in a lab machine, and they are a third of the files.
UNREAD = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
)
APT = ("-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3")


def _mirrors(suite: str) -> list[str]:
    """``URI SUITE`` of the host's own Debian mirrors, asked from apt."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    for attempt in range(2):
        lines = run(ask, hint=RETRY).stdout.splitlines()
        found = sorted({line for line in lines if line.split()[-1].startswith(suite)})
        if found:
            return found
        if attempt == 0:
            run(["apt-get", *APT, "update"], hint=RETRY)
    raise LabError(
        f"apt on this host knows no Debian {suite}",
        "The sources debian and debian-source need its packages.",
        f"Add {suite} to /etc/apt/sources.list, or run kubelab on Debian 12.",
    )


def _private_apt(cache: Path, suite: str) -> list[str]:
    """Options for an apt of our own that also knows source packages; the host's is left alone."""
    place = cache / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    lines = [f"deb-src {mirror} main\ndeb {mirror} main\n" for mirror in _mirrors(suite)]
    sources = place / "sources.list"
    sources.write_text("".join(lines), encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": place / "lists",
        "Dir::Cache": place,
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    return [*APT, *options]


def fetch_source(cache: Path, suite: str, package: str, version: str, tell: Tell) -> Path:
    """Fetch and unpack a source package; returns its tree. apt checks the signatures.

    Raises:
        CommandError: apt cannot reach its mirror, or it has no such version.
    """
    place = cache / "sources" / f"{package}-{version}"
    done = place / "tree"
    if done.exists():
        return done.resolve()
    place.mkdir(parents=True, exist_ok=True)
    options = _private_apt(cache, suite)
    tell("apt-get update", None)
    run(["apt-get", *options, "update"], hint=RETRY)
    tell(f"fetching {package} {version}", None)
    run(["apt-get", *options, "source", f"{package}={version}"], cwd=place, hint=RETRY)
    tree = next(path for path in place.iterdir() if path.is_dir() and path.name != "tree")
    done.symlink_to(tree.name)
    return tree


def fetch_packages(suite: str, packages: Sequence[str], into: Path, tell: Tell) -> None:
    """Fetch packages and unpack them over each other into ``into``, without documentation.

    Raises:
        CommandError: apt cannot reach its mirror, or it has no such package.
    """
    debs = into.parent / f"{into.name}.debs"
    run(["rm", "-rf", str(debs)])
    debs.mkdir(parents=True)
    _mirrors(suite)
    tell(f"fetching {len(packages)} packages", None)
    try:
        run(["apt-get", *APT, "download", *packages], cwd=debs, hint=RETRY)
    except CommandError:
        run(["apt-get", *APT, "update"], hint=RETRY)
        run(["apt-get", *APT, "download", *packages], cwd=debs, hint=RETRY)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(deb), str(into)])
    run(["rm", "-rf", str(debs), *(str(into / unread) for unread in UNREAD)])


def make_root(cache: Path, root: MachineRoot, into: Path, tell: Tell) -> None:
    """Make a Debian root with debootstrap; no service starts, no key or machine id stays in it.

    Raises:
        CommandError: debootstrap failed.
    """
    mirrors = dict(reversed(line.split()) for line in _mirrors(root.suite))
    debs = cache / "debs"
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
    with stream(command, env={"DEBIAN_FRONTEND": "noninteractive"}, hint=RETRY) as lines:
        for line in lines:
            steps += 1
            # About 130 packages pass through retrieving, validating, extracting and configuring.
            tell(line.removeprefix("I: ")[:60], min(steps / (6 * len(root.packages) * 5), 0.99))
    run(["systemctl", f"--root={into}", "disable", *root.disabled])
    for key in (into / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (into / "etc/machine-id").write_text("")
    lists = [str(path) for path in (into / "var/lib/apt/lists").iterdir()]
    run(["rm", "-rf", *(str(into / unread) for unread in UNREAD), *lists])
