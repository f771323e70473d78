"""Questions to image registries: which digest a tag has now, without fetching anything.

Only HEAD requests for manifests are sent, which registries do not count as pulls. skopeo fetches
images, but it has no such question.
"""

import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.image_names import HUB, short, split
from provisioner.artifacts.registry_faults import PLAIN, RegistryError, fault_of
from provisioner.artifacts.registry_login import find_login

SECONDS = 15.0
T = TypeVar("T")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        *("oci.image.index.v1", "docker.distribution.manifest.list.v2"),
        *("oci.image.manifest.v1", "docker.distribution.manifest.v2"),
    )
)
# The server of docker.io has another name than the registry.
SERVERS = {HUB: "registry-1.docker.io"}
# Folders with certificates of single registries, which skopeo reads too.
CERTIFICATES = ("/etc/containers/certs.d", "/etc/docker/certs.d")


@dataclass(frozen=True)
class Place:
    """One server that may have an image: the registry of its name, or a mirror of that."""

    host: str
    repository: str
    encrypted: bool = True

    @property
    def name(self) -> str:
        """The name of the repository here, for skopeo."""
        return f"{self.host}/{self.repository}"

    def url(self, version: str) -> str:
        """The URL of a manifest; ``version`` is a tag or a digest."""
        scheme = "https" if self.encrypted else "http"
        server = SERVERS.get(self.host, self.host)
        return f"{scheme}://{server}/v2/{self.repository}/manifests/{version}"

    @property
    def certificates(self) -> list[Path]:
        """Certificates that this host trusts for this registry only."""
        return [file for top in CERTIFICATES for file in sorted(Path(top, self.host).glob("*.crt"))]


def places(reference: str, route: DownloadRoute) -> Iterator[Place]:
    """The servers that may have an image: the mirror of its registry, then the registry."""
    registry, repository, _ = split(reference)
    if mirror := route.registries.get(registry):
        parts = urllib.parse.urlsplit(mirror)
        below = "/".join(part for part in (parts.path.strip("/"), repository) if part)
        yield Place(parts.netloc, below, parts.scheme == "https")
    yield Place(registry, repository)


def _challenge(header: str) -> tuple[str, dict[str, str]]:
    scheme, _, rest = header.partition(" ")
    pairs = urllib.request.parse_http_list(rest)
    return scheme.lower(), urllib.request.parse_keqv_list([pair for pair in pairs if "=" in pair])


def _authorization(place: Place, header: str, route: DownloadRoute) -> str:
    """The answer to a registry's challenge: the user's login, or a token that it gives for it.

    Raises:
        OSError: the server of tokens did not give one.
    """
    login = find_login(place.host, place.repository)
    scheme, given = _challenge(header)
    if scheme != "bearer":
        return login.basic if login else ""
    if not given.get("realm", "").startswith("https://" if place.encrypted else "http"):
        raise urllib.error.URLError(f"it names no server of tokens with TLS: {header}")
    query = {key: value for key, value in given.items() if key in ("service", "scope")}
    query.setdefault("scope", f"repository:{place.repository}:pull")
    url = f"{given['realm']}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url)  # noqa: S310
    if login:
        request.add_unredirected_header("Authorization", login.basic)
    with route.send(request, SECONDS, place.certificates) as answer:
        text = answer.read(1 << 20).decode(errors="replace")
    token = re.search(r'"(?:access_)?token"\s*:\s*"([^"]+)"', text)
    return f"Bearer {token[1]}" if token else ""


def _head(place: Place, version: str, route: DownloadRoute, authorization: str) -> str:
    request = urllib.request.Request(place.url(version), method="HEAD")  # noqa: S310
    request.add_header("Accept", ACCEPT)
    if authorization:
        # Not sent to the hosts that the registry redirects to: those refuse it.
        request.add_unredirected_header("Authorization", authorization)
    with route.send(request, SECONDS, place.certificates) as answer:
        kind = answer.headers.get_content_type()
        digest: str = answer.headers.get("Docker-Content-Digest", "")
        came_from = answer.url
    if place.encrypted and not came_from.startswith("https://"):
        raise urllib.error.URLError(f"it leads to an address without TLS: {came_from}")
    if kind == "text/html" or not DIGEST.fullmatch(digest):
        raise urllib.error.HTTPError(place.url(version), 200, kind, answer.headers, None)
    return digest


def ask(place: Place, reference: str, version: str, route: DownloadRoute) -> str:
    """The digest of the manifest that ``place`` has for a version (a tag or a digest).

    Raises:
        RegistryError: it has none, or did not answer as a registry does.
    """
    try:
        try:
            return _head(place, version, route, "")
        except urllib.error.HTTPError as error:
            if error.code != http.client.UNAUTHORIZED:
                raise
            challenge = error.headers.get("WWW-Authenticate", "")
            return _head(place, version, route, _authorization(place, challenge, route))
    except (OSError, http.client.HTTPException) as error:
        fault, said = fault_of(error)
        raise fault.error(place.host, reference, said) from None


def first_of(reference: str, route: DownloadRoute, call: Callable[[Place], T]) -> T:
    """What ``call`` returns for the first server of an image for which it does not fail.

    Raises:
        RegistryError: it failed for all servers.
    """
    faults = []
    for place in places(reference, route):
        try:
            return call(place)
        except RegistryError as error:
            faults.append(error)
    # What the mirror says comes first: whoever set it wants it to work.
    first, *others = faults
    also = [f"{o.brief.removeprefix(f'{short(reference)}: ')}: {o.details}" for o in others]
    hints = dict.fromkeys(fault.hint for fault in faults)
    raise replace(first, details="; ".join((first.details, *also)), hint="\n  ".join(hints))


def resolve(reference: str, route: DownloadRoute) -> str:
    """The digest that the tag of ``reference`` has now, told by a server with a certificate.

    Raises:
        RegistryError: no server told it.
    """

    def told(place: Place) -> str:
        if not place.encrypted:
            why = "An address without TLS cannot say which image is the right one."
            raise PLAIN.error(place.host, reference, why)
        return ask(place, reference, split(reference)[2], route)

    return first_of(reference, route, told)
