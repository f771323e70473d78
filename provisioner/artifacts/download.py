"""Downloads: files from their publishers or a mirror, each with its SHA-256.

A download that broke off goes on where it was, in this run or the next; nothing is used before its
sum is right. What has no sum in the catalogue is refused until a spec gives one.
"""

import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tenacity

from provisioner.artifacts.store import sha256
from provisioner.catalog.model import Download
from provisioner.errors import LabError, SpecError
from provisioner.model import Tell

CHUNK = 1 << 20
SECONDS = 60.0
PAGE = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class DownloadRoute:
    """How downloads leave this host: mirrors by the URL they stand for, and a proxy's URL."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""

    def urls(self, url: str) -> Iterator[str]:
        """Where to look for ``url``: mirrors first."""
        for origin, mirror in self.mirrors.items():
            if url.startswith(f"{origin}/"):
                yield mirror + url.removeprefix(origin)
        yield url

    def open(self, url: str, begin: int = 0, seconds: float = SECONDS) -> http.client.HTTPResponse:
        """Ask for ``url`` from byte ``begin`` on. Raises OSError where nobody answers in time."""
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
        # The catalogue has http and https alone; a spec's mirrors are checked to be one of them.
        request = urllib.request.Request(url)  # noqa: S310
        if begin:
            request.add_header("Range", f"bytes={begin}-")
        answer: http.client.HTTPResponse = opener.open(request, timeout=seconds)
        return answer


def refuse_unknown(where: str, file: Download) -> None:
    """Refuse a file whose sum nobody gave; ``where`` is its key path in the catalogue.

    Raises:
        SpecError: it has no SHA-256.
    """
    if file.sha256:
        return
    told = f" Its publisher tells it in {file.sums}." if file.sums else ""
    raise SpecError(
        f"artifacts.overrides.{where}.sha256: missing",
        f"The catalogue has no SHA-256 of {file.url}.{told}",
        "Look it up where you trust the answer, and give it in the lab spec.",
    )


def refuse_page(url: str, answer: http.client.HTTPResponse, first: bytes) -> None:
    """Refuse a web page that comes instead of a file: mirrors and proxies call it a success.

    Raises:
        LabError: the answer is one, or its ``first`` bytes are.
    """
    kind = answer.headers.get_content_type()
    if kind == "text/html" or first.lstrip()[:14].lower().startswith(PAGE):
        raise LabError(
            f"{url}: a web page came instead of the file",
            f"The answer is {kind} and begins with {first[:60]!r}.",
            "Look at the page: a mirror that lacks the file, or a proxy that wants a login.",
        )


def _is_passing(error: BaseException) -> bool:
    """Whether it may go better in a moment: a dropped connection, or a server in trouble."""
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
    """Append to ``part`` what it lacks of ``url``."""
    begin = part.stat().st_size if part.exists() else 0
    try:
        answer = route.open(url, begin)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            # All of it is there already; its sum will say whether it is right.
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
            # Python takes a connection that was closed early for the end of the file.
            if total and file.tell() < total:
                raise ConnectionError(f"{url}: {file.tell()} of {total} bytes came")


def fetch(file: Download, route: DownloadRoute, folder: Path, tell: Tell) -> Path:
    """Download a file into ``folder`` under its sum; returns the path of the whole, right file.

    Raises:
        LabError: no mirror has it, or what came is a web page or has another sum.
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
            f"{url}: the file is not the one that the catalogue means",
            f"Its SHA-256 is {found}, and {file.sha256} is right. It was thrown aroute.",
            "Try again, or another mirror (artifacts.mirrors). Change the sum only knowing why.",
        )
    raise LabError(
        f"{file.url}: no download",
        "\n".join(failures),
        "Run it again: what came is kept. artifacts.mirrors and artifacts.proxy are other ways.",
    )


def take(
    files: Mapping[str, Download], route: DownloadRoute, folder: Path, into: Path, tell: Tell
) -> None:
    """Download files and put each into ``into`` under its name; archives are unpacked there.

    Raises:
        LabError: as ``fetch``, or an archive is none.
    """
    for name, file in files.items():
        came = fetch(file, route, folder, tell)
        if not file.unpack:
            target = into / name
            shutil.move(came, target)
            target.chmod(0o755)
            continue
        try:
            with tarfile.open(came) as tar:
                tar.extractall(into / name, filter="data")
        except tarfile.TarError as error:
            raise LabError(f"{file.url}: no archive", str(error), "Look at the file.") from None
        came.unlink()
