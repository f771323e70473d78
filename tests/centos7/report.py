"""A report about a lab that its owner can send to others, without what is secret in it."""

import re
from typing import Any

GONE = "(taken out)"
SECRETS = [
    # Private keys, and certificates with them; also in one line, as JSON has them.
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.S),
    # Tokens of service accounts, and of a join.
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"),
    re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),
    # Keys in a kubeconfig, passwords in variables, in headers and in addresses.
    re.compile(r"(?<=-data: )\S{16,}"),
    re.compile(r"(?i)(?<=password[=:])\s*\S+|(?<=password': ')[^']*|(?<=password\": \")[^\"]*"),
    re.compile(r"(?i)(?<=authorization: )(basic|bearer) \S+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
]


def without_secrets(found: Any) -> Any:
    """The same data, its texts without secrets."""
    if isinstance(found, dict):
        return {key: without_secrets(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [without_secrets(value) for value in found]
    if isinstance(found, str):
        for secret in SECRETS:
            found = secret.sub(GONE, found)
    return found
