"""Taking secrets out of text: by what a lab knows to be secret, and by what secrets look like."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from provisioner.context import Context
from provisioner.errors import LabError
from provisioner.spec import Weave, bounded_yaml

GONE = "(secret)"
IN_KUBECONFIG = ("client-key-data", "token", "password")
# A shorter value would take ordinary words out of every file.
SHORTEST = 6
# Keys of Secrets whose values are none, though they come in one.
PUBLIC = re.compile(r"namespace|ca\.crt|tls\.crt|expiration|description|auth-extra-groups|usage-.*")
KEYS = r"(?:password|passwd|passphrase|token|secret|api[-_]?key|private[-_]?key|client-key-data)"
USERINFO = r"(?<=://)[^/\s@]+(?=@)"
# What secrets look like. A group is what stays before one.
LOOKS = (
    r"()(?s:-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z))",
    # Tokens of kubeadm, and of service accounts. An escaped end of a line may be right before one.
    r"()[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])",
    r"()eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?",
    rf"(){USERINFO}",
    r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)?\s*)[^\s\"',]+",
    rf"(?i)([\w-]*{KEYS}[\"']?\s*[:=]\s*[\"']?)(?![\s\"'{{\[])[^\s\"',}}]+",
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the secrets, and without what looks like one."""
    for secret in sorted(_forms(secrets), key=len, reverse=True):
        text = text.replace(secret, GONE)
    for pattern in LOOKS:
        text = re.sub(pattern, rf"\1{GONE}", text)
    return text


def _forms(secrets: Iterable[str]) -> set[str]:
    """Each secret as it may be written: itself, its lines, in base64, and as JSON escapes it."""
    found = set()
    for secret in secrets:
        for part in {secret.strip(), *(line.strip() for line in secret.splitlines())}:
            if len(part) >= SHORTEST and not part.startswith("-----"):
                encoded = base64.b64encode(part.encode()).decode()
                found |= {part, encoded, encoded.rstrip("="), json.dumps(part)[1:-1]}
        if len(secret) >= SHORTEST:
            found.add(base64.b64encode(secret.encode()).decode())
    return found


def secrets_of(context: Context) -> Iterator[str]:
    """The secrets that the lab's files and its cluster know of; no more than can be read now."""
    spec, lab = context.spec, context.lab
    files = [context.provider.access.key]
    if isinstance(spec.cni, Weave) and spec.cni.password_file:
        files.append(Path(spec.cni.password_file))
    yield from (path.read_text(errors="replace") for path in files if path.is_file())
    for found in re.findall(USERINFO, lab.spec_text(spec)):
        yield from (found, found.partition(":")[2])
    if lab.kubeconfig.is_file():
        yield from _of_kubeconfig(lab.kubeconfig)
    yield from _of_cluster(context)


def _of_kubeconfig(file: Path) -> Iterator[str]:
    try:
        users = [entry["user"] for entry in bounded_yaml(file)["users"]]
        found = [str(user.get(key, "")) for user in users for key in IN_KUBECONFIG]
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):
        # It is damaged, so every word in it may be one.
        found = re.findall(r"[\w+/=.-]{20,}", file.read_text(errors="replace"))
    for word in found:
        yield from _both(word)


def _both(encoded: str) -> Iterator[str]:
    """A value, and what it is in base64, if that is text."""
    yield encoded
    try:
        yield base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return


def _of_cluster(context: Context) -> Iterator[str]:
    try:
        found = context.kubectl.get("secrets", "--all-namespaces")
    except LabError:
        # Without an API server its Secrets are in no answer of its either.
        return
    for secret in found:
        data: dict[str, Any] = secret.get("data") or {}
        for key, value in data.items():
            if not PUBLIC.fullmatch(key):
                yield from _both(value)
