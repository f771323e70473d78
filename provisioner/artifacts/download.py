"""Downloads from publishers or mirrors, each verified by its SHA-256.

An interrupted download resumes in this run or the next. A file is used only after its checksum
was verified. A file without a checksum in the catalogue is refused until a spec gives one.
"""

import http.client
import shutil
import ssl
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tenacity

from provisioner.artifacts.store import sha256
from provisioner.catalog.model import Download
from provisioner.catalog.names import NAME
from provisioner.errors import LabError, SpecError
from provisioner.model import Tell

CHUNK = 1 << 20
SECONDS = 60.0
PAGE = (b"<!doctype html", b"<html")


class _SameMethod(urllib.request.HTTPRedirectHandler):
    """Follows redirects of a HEAD by another HEAD; Python 3.12 would send a GET."""

    def redirect_request(self, req: Any, *rest: Any) -> urllib.request.Request | None:
        """The next request."""
        found = super().redirect_request(req, *rest)
        if found:
            found.method = req.get_method()
        return found


@dataclass(frozen=True)
class DownloadRoute:
    """How downloads leave this host: mirrors, a proxy URL, and certificates to trust as well.

    ``mirrors`` are URLs by the URL that they replace, ``registries`` by the name of a registry.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    registries: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""

    def urls(self, url: str) -> Iterator[str]:
        """The URLs to try for ``url``, mirrors first."""
        for origin, mirror in self.mirrors.items():
            if url.startswith(f"{origin}/"):
                yield mirror + url.removeprefix(origin)
        yield url

    def open(self, url: str, begin: int = 0, seconds: float = SECONDS) -> http.client.HTTPResponse:
        """Request ``url`` from byte ``begin`` on; raises OSError without an answer in time."""
        # The catalogue has http and https URLs only, and the spec validates its mirrors.
        request = urllib.request.Request(url)  # noqa: S310
        if begin:
            request.add_header("Range", f"bytes={begin}-")
        return self.send(request, seconds)

    def send(
        self, request: urllib.request.Request, seconds: float, trusted: Iterable[Path] = ()
    ) -> http.client.HTTPResponse:
        """Send a request; ``trusted`` are certificates of the server's own, in addition.

        Raises:
            OSError: there was no answer in time, or an error was the answer.
            SpecError: ``ca_file`` is not a file of certificates.
        """
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        context = ssl.create_default_context()
        for file in trusted:
            context.load_verify_locations(file)
        self._trust(context)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies),
            urllib.request.HTTPSHandler(context=context),
            _SameMethod(),
        )
        answer: http.client.HTTPResponse = opener.open(request, timeout=seconds)
        return answer

    def _trust(self, context: ssl.SSLContext) -> None:
        if not self.ca_file:
            return
        try:
            context.load_verify_locations(self.ca_file)
        except OSError as error:
            hint = "Name a file of certificates in PEM, or leave the key out."
            raise SpecError(f"artifacts.ca_file: {self.ca_file}", str(error), hint) from None


def refuse_unknown(where: str, file: Download) -> None:
    """Refuse a file without a checksum; ``where`` is its key path in the catalogue.

    Raises:
        SpecError: the file has no SHA-256.
    """
    if file.sha256:
        return
    published = f" Its publisher lists it in {file.sums}." if file.sums else ""
    raise SpecError(
        f"artifacts.overrides.{where}.sha256: missing",
        f"The catalogue has no SHA-256 of {file.url}.{published}",
        "Get it from a source that you trust, and add it to the lab spec.",
    )


def refuse_page(url: str, answer: http.client.HTTPResponse, first: bytes) -> None:
    """Refuse a web page instead of a file: mirrors and proxies send one with status 200.

    Raises:
        LabError: the content type or the ``first`` bytes are those of a web page.
    """
    kind = answer.headers.get_content_type()
    if kind == "text/html" or first.lstrip()[:14].lower().startswith(PAGE):
        raise LabError(
            f"{url}: a web page came instead of the file",
            f"The answer is {kind} and begins with {first[:60]!r}.",
            "Open the page: the mirror may lack the file, or the proxy may require a login.",
        )


def _is_passing(error: BaseException) -> bool:
    """Whether an error is temporary: a lost connection, or a server error."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, OSError | http.client.HTTPException)


@tenacity.retry(
    stop=tenacity.stop_after_attempt(4),
    wait=tenacity.wait_exponential(multiplier=0.5, max=10),
    retry=tenacity.retry_if_exception(_is_passing),
    reraise=True,
)
def _receive(url: str, route: DownloadRoute, part: Path, tell: Tell) -> None:
    """Append the missing bytes of ``url`` to ``part``."""
    begin = part.stat().st_size if part.exists() else 0
    try:
        answer = route.open(url, begin)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The file is complete already; the caller verifies its checksum.
            return
        raise
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        length = int(answer.headers.get("Content-Length") or 0)
        total = length + (begin if goes_on else 0)
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK):
                if file.tell() == 0:
                    refuse_page(url, answer, chunk)
                file.write(chunk)
                tell(url, file.tell() / total if total else None)
            # Python treats a connection that was closed early as the end of the file.
            if total and file.tell() < total:
                raise ConnectionError(f"{url}: {file.tell()} of {total} bytes came")


def _word_of_publisher(file: Download, found: str, route: DownloadRoute) -> str:
    """What the publisher's list of checksums says of a file that has another one."""
    if not file.sums:
        return ""
    for url in route.urls(file.sums):
        try:
            with route.open(url) as answer:
                listed = answer.read(CHUNK).decode(errors="replace").lower()
        except (OSError, http.client.HTTPException) as error:
            said = f"could not be read: {error}"
            continue
        if found in listed:
            said = "has the one that came: the catalogue, or the spec, is wrong"
        elif file.sha256 in listed:
            said = "has the one that was expected: what came is not the publisher's file"
        else:
            said = "has neither of the two"
        break
    return f"\nIts publisher's list, {file.sums}, {said}."


def fetch(file: Download, route: DownloadRoute, folder: Path, tell: Tell) -> Path:
    """Download a file into ``folder``, named by its checksum; returns the verified file's path.

    Raises:
        LabError: no URL serves it, or the answer is a web page or has another checksum.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file.sha256}.part"
    failures = []
    for url in route.urls(file.url):
        try:
            _receive(url, route, part, tell)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        found = sha256(part)
        if found == file.sha256:
            return part.rename(folder / file.sha256)
        part.unlink()
        raise LabError(
            f"{url}: the file has another SHA-256 than the catalogue",
            f"Expected {file.sha256}, got {found}. The file was deleted."
            + _word_of_publisher(file, found, route),
            "Try again, or use another mirror (artifacts.mirrors). Do not change the checksum"
            " unless you know why it differs.",
        )
    raise LabError(
        f"{file.url}: download failed",
        "\n".join(failures),
        "Run the command again: it resumes. Or set artifacts.mirrors or artifacts.proxy.",
    )


def take(
    files: Mapping[str, Download], route: DownloadRoute, folder: Path, into: Path, tell: Tell
) -> None:
    """Download files into ``into``, each under its name; archives are unpacked there.

    Raises:
        LabError: as ``fetch``, or a file to unpack is not a tar archive, or leads out of ``into``.
    """
    for name, file in files.items():
        if not NAME.fullmatch(name):
            raise LabError(f"{name!r} is not a file name", file.url, "Use letters, digits and '.'.")
        came = fetch(file, route, folder, tell)
        if not file.unpack:
            target = into / name
            shutil.move(came, target)
            target.chmod(0o755)
            continue
        try:
            with tarfile.open(came) as tar:
                tar.extractall(into / name, filter="data")
        except tarfile.FilterError as error:
            why = f"{file.url}: a member of the archive leads out of its folder"
            raise LabError(why, str(error), "Do not use this file.") from None
        except tarfile.TarError as error:
            raise LabError(f"{file.url}: not a tar archive", str(error), "Check the URL.") from None
        came.unlink()
