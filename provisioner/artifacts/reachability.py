"""Whether this host reaches the sources of artifacts, and whether they serve."""

import http.client
import os
import socket
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from provisioner.artifacts.download import DownloadRoute, refuse_page
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.locking import all_of, each
from provisioner.artifacts.registry_faults import RegistryError
from provisioner.artifacts.sources.debian import mirrors_known
from provisioner.errors import CommandError, LabError
from provisioner.host_questions import HostAnswer
from provisioner.shell import run

APT_HELPER = Path("/usr/lib/apt/apt-helper")
SECONDS = 20.0
# A small module with one version, to test whether the proxy serves.
SMALL_MODULE = "rsc.io/quote@v1.5.2"


@dataclass(frozen=True)
class Reachability:
    """The questions about sources. ``cached``: all artifacts are in the cache already.

    ``published`` maps the name of a question to the publishers' URLs that a lab needs. They are
    requested through ``route``, as downloads are. ``images`` are asked for by ``ask_for``. With
    ``builds`` something is built from packages and modules.
    """

    suite: str
    go: Path | None
    cached: bool
    published: Mapping[str, Sequence[str]] = field(default_factory=dict)
    route: DownloadRoute = field(default_factory=DownloadRoute)
    images: Sequence[Pin] = ()
    ask_for: Callable[[Pin], str] = lambda pin: pin.digest
    builds: bool = True

    def questions(self) -> dict[str, Callable[[], HostAnswer]]:
        """The questions by the names of their findings."""
        built = {"dns": self.dns, "source-debian": self.debian, "source-go": self.modules}
        return {
            **(built if self.builds else {}),
            **{name: partial(self.publishers, urls) for name, urls in self.published.items()},
            **({"source-images": self.registries} if self.images else {}),
        }

    def dns(self) -> HostAnswer:
        """Whether names resolve on this host, or a proxy is set that resolves them."""
        host = self._mirror_host()
        if not host:
            return True, "no mirror to look up", ""
        try:
            socket.getaddrinfo(host, 80)
        except OSError:
            behind = any(name.lower().endswith("_proxy") for name in os.environ)
            hint = "Check /etc/resolv.conf, or set http_proxy and https_proxy."
            return behind or self.cached, f"{host} does not resolve", hint
        return True, f"{host} resolves", ""

    def debian(self) -> HostAnswer:
        """Whether one of apt's mirrors serves the suite."""
        if self.cached:
            return True, "not asked: all artifacts are in the cache", ""
        known = mirrors_known(self.suite)
        if not known or not APT_HELPER.exists():
            return False, f"apt knows no Debian {self.suite}", "Artifacts are built on Debian 12."
        with tempfile.TemporaryDirectory(prefix="kubelab-") as folder:
            url = f"{known[0]}dists/{self.suite}/InRelease"
            words = [str(APT_HELPER), "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10"]
            try:
                run([*words, "download-file", url, f"{folder}/InRelease"], timeout=SECONDS)
            except CommandError as error:
                said = error.details.splitlines()[-1]
                return False, f"no answer from {known[0]}: {said}", "Try `apt-get update`."
        return True, f"{known[0]} serves {self.suite}", ""

    def modules(self) -> HostAnswer:
        """Whether the Go module proxy serves."""
        if self.cached:
            return True, "not asked: all artifacts are in the cache", ""
        if self.go is None or not (self.go / "bin/go").is_file():
            return True, "not asked: no Go yet", ""
        with tempfile.TemporaryDirectory(prefix="kubelab-") as folder:
            env = {"GOPATH": folder, "GO111MODULE": "on", "GOFLAGS": "-modcacherw"}
            argv = [str(self.go / "bin/go"), "list", "-m", SMALL_MODULE]
            try:
                run(argv, env=env, cwd=Path(folder), timeout=SECONDS)
            except CommandError as error:
                said = error.details.splitlines()[-1]
                return False, f"no module from GOPROXY: {said}", "Check `go env GOPROXY`."
        return True, "the module proxy serves", ""

    def publishers(self, urls: Sequence[str]) -> HostAnswer:
        """Whether every host in ``urls`` serves its first URL."""
        firsts = {urllib.parse.urlsplit(url).netloc: url for url in reversed(urls)}
        with ThreadPoolExecutor(max_workers=len(firsts)) as pool:
            faults = [fault for fault in pool.map(self._why_not, firsts.values()) if fault]
        hint = "Set artifacts.proxy or artifacts.mirrors in the spec, or use another profile."
        return not faults, "; ".join(faults) or f"{', '.join(sorted(firsts))} answer", hint

    def registries(self) -> HostAnswer:
        """Whether every image can be had from its registry; nothing is fetched to ask."""
        answers = each(self.images, self.ask_for).values()
        if fault := all_of(a for a in answers if isinstance(a, RegistryError)):
            lines = [fault.brief, *fault.details.splitlines()]
            return False, "; ".join(map(str.strip, lines)), fault.hint
        unknown = sum(not pin.digest for pin in self.images)
        locked = f", {unknown} of them to be locked" if unknown else ""
        return True, f"{len(self.images)} images can be had{locked}", ""

    def _why_not(self, url: str) -> str:
        """Why neither a mirror nor the publisher serves a URL; empty if one does."""
        faults = []
        for place in self.route.urls(url):
            try:
                with self.route.open(place, seconds=SECONDS) as answer:
                    refuse_page(place, answer, b"")
            except (OSError, http.client.HTTPException, LabError) as error:
                faults.append(f"{place}: {error}")
            else:
                return ""
        return ", ".join(faults)

    def _mirror_host(self) -> str:
        known = mirrors_known(self.suite)
        return (urllib.parse.urlsplit(known[0]).hostname or "") if known else ""
