"""The ways in which image registries fail, each with what a user can do about it."""

import http.client
import re
import socket
import ssl
import urllib.error
from dataclasses import dataclass

from provisioner.artifacts.image_names import short
from provisioner.errors import LabError


class RegistryError(LabError):
    """A registry did not give an image."""


class UnknownImageError(RegistryError):
    """A registry answered, but has no such image."""


class HalfImageError(RegistryError):
    """An image did not come whole, or a part of it was spoiled on disk."""


@dataclass(frozen=True)
class Fault:
    """One way in which registries fail, and what a user can do about it."""

    why: str
    hint: str

    def error(self, host: str, reference: str, said: str) -> RegistryError:
        """The error for an image; ``said`` is what the server or skopeo said."""
        brief = f"{short(reference)}: {self.why.format(host=host)}"
        kinds = {UNKNOWN: UnknownImageError, HALF: HalfImageError}
        return kinds.get(self, RegistryError)(brief, said, self.hint.format(host=host))


LOGIN = Fault(
    "{host} wants a login, or refuses the one that it got",
    "Log in with `skopeo login {host}`, or set artifacts.registry_mirror to a registry that needs"
    " no login.",
)
LIMIT = Fault(
    "{host} refuses more requests for now",
    "Wait and run the command again: what came is kept. Or log in with `skopeo login {host}`, or"
    " set artifacts.registry_mirror.",
)
UNKNOWN = Fault(
    "{host} has no such image",
    "Check the name and the tag, and that a mirror (artifacts.registry_mirror) has the image.",
)
PAGE_CAME = Fault(
    "{host} sent a web page instead of a manifest",
    "Something else than an image registry answers there: check artifacts.registry_mirror, or"
    " whether a proxy (artifacts.proxy) wants a login.",
)
UNTRUSTED = Fault(
    "the certificate of {host} is not trusted",
    "Name the certificate of its authority in artifacts.ca_file, or correct this host's clock.",
)
DOWN = Fault(
    "{host} does not answer",
    "Check the network, artifacts.proxy and artifacts.registry_mirror, then run the command again.",
)
BROKEN = Fault("{host} answers with an error", "Run the command again later, or use a mirror.")
HALF = Fault(
    "{host} sent a part of the image that is not whole",
    "Run the command again: parts that came whole are kept. If it fails again, a proxy or a mirror"
    " cuts the answer off.",
)
PLATFORM = Fault(
    "{host} has the image for other platforms only",
    "Machines are x86-64 (linux/amd64): choose a version that is published for it.",
)
MOVED = Fault(
    "{host} has another image under this tag than before",
    "If the publisher replaced it and you trust that, remove its line from that file and run"
    " `kubelab artifacts lock` again.",
)
PLAIN = Fault(
    "{host} is asked without TLS",
    "Use https:// in artifacts.registry_mirror, or name the digest in artifacts.overrides.",
)
WRONG = Fault(
    "{host} has no image of this digest",
    "The digest in the catalogue is wrong, or the registry no longer has that image: correct it in"
    " artifacts.overrides only if you know the right one.",
)
# What skopeo prints, by the first pattern that fits.
SKOPEO = (
    ("no image found in", PLATFORM),
    ("unauthorized|denied|authentication", LOGIN),
    ("toomanyrequests|too many requests|429", LIMIT),
    ("x509|certificate", UNTRUSTED),
    ("manifest unknown|name unknown|not found|404", UNKNOWN),
    ("did not match|unexpected eof|invalid checksum|connection reset", HALF),
    ("invalid character '<'|text/html", PAGE_CAME),
    ("refused|no such host|timeout|unreachable|no route", DOWN),
)


def fault_in(said: str) -> Fault:
    """The kind of an error of skopeo, by what it printed."""
    return next((fault for pattern, fault in SKOPEO if re.search(pattern, said, re.I)), BROKEN)


def fault_of(error: Exception) -> tuple[Fault, str]:
    """The kind of an error of ``urllib``, and what the server said."""
    if isinstance(error, urllib.error.HTTPError):
        said = f"HTTP {error.code} {error.reason}"
        if error.headers.get_content_type() == "text/html" and error.code < 400:
            return PAGE_CAME, said
        if error.code == http.client.TOO_MANY_REQUESTS:
            wait = error.headers.get("Retry-After")
            return LIMIT, f"{said}; it says to wait {wait} s" if wait else said
        if error.code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            return LOGIN, said
        return (UNKNOWN if error.code == http.client.NOT_FOUND else BROKEN), said
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return UNTRUSTED, reason.verify_message
    if isinstance(reason, socket.gaierror):
        return DOWN, f"its name does not resolve: {reason}"
    return DOWN, str(reason) or type(reason).__name__
