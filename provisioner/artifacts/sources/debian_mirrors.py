"""Where packages of a Debian suite come from, also on a host of another suite or distribution."""

import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import LabError
from provisioner.shell import run

ASK_MIRRORS = (
    *("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"),
    "Created-By: Packages",
)
# A mirror for hosts whose apt knows none of Debian, like Ubuntu. A package has Debian's keys there.
GIVEN = "KUBELAB_DEBIAN_MIRROR"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


RETRY = "Check the network and apt's proxy (`apt-get update`), then run the command again."
HINT = f"Set {GIVEN} to the URL of a Debian mirror, or use a spec with artifacts.source upstream."


@dataclass(frozen=True, order=True)
class Mirror:
    """One place of packages; ``keyring`` is empty for the keys that this host's apt trusts."""

    uri: str
    suite: str
    keyring: str = ""

    def line(self, kind: str) -> str:
        """The line for apt's list of sources; ``kind`` is deb or deb-src."""
        signed = f" [signed-by={self.keyring}]" if self.keyring else ""
        return f"{kind}{signed} {self.uri} {self.suite} main\n"


def _own_suite() -> str:
    """The suite of a Debian host; empty on other distributions."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("VERSION_CODENAME", "") if release["ID"] == "debian" else ""


def _debians(lines: Iterable[str]) -> Iterator[Mirror]:
    """The mirrors of Debian itself: others, like docker's, name repositories by its suites."""
    for line in lines:
        # A repository without suites has no component. apt knows the origin from the list on.
        uri, suite, component, origin, *_ = [*line.split(), "", "", "", ""]
        if component == "main" and origin in ("Debian", "", "$(ORIGIN)"):
            yield Mirror(uri, suite)


def _of_apt(suite: str) -> Iterator[Mirror]:
    """The mirrors of this host's apt for a suite; those of its own suite have the others, too."""
    known = sorted(set(_debians(run(ASK_MIRRORS, hint=RETRY).stdout.splitlines())))
    if same := [mirror for mirror in known if mirror.suite.startswith(suite)]:
        yield from same
    elif own := _own_suite():
        for mirror in known:
            name, dash, pocket = mirror.suite.partition("-")
            # Backports are for another time.
            if name == own and pocket in ("", "updates", "security"):
                yield Mirror(mirror.uri, f"{suite}{dash}{pocket}")


def _given(suite: str) -> Sequence[Mirror]:
    uri = os.environ.get(GIVEN, "")
    pockets = (suite, f"{suite}-updates") if uri else ()
    return [Mirror(uri, pocket, str(KEYRING)) for pocket in pockets]


def mirrors_known(suite: str) -> list[Mirror]:
    """The mirrors for a suite, as this host knows them now; fetches nothing."""
    if not shutil.which("apt-get"):
        return []
    return list(_of_apt(suite)) or list(_given(suite))


def mirrors_of(suite: str, update: Sequence[str]) -> list[Mirror]:
    """The mirrors for a suite. On a Debian host without lists ``update`` fetches them first.

    Raises:
        LabError: this host has no apt, or nobody knows a mirror.
    """
    if _own_suite() and shutil.which("apt-get") and not list(_of_apt(suite)):
        run(update, hint=RETRY)
    if found := mirrors_known(suite):
        return found
    raise LabError(
        f"apt on this host knows no Debian {suite}",
        "The sources debian and debian-source need its packages.",
        HINT,
    )
