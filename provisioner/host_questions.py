"""Putting questions to a host, one Finding each."""

import time
from collections.abc import Callable, Mapping

from provisioner.model import Finding

HostAnswer = tuple[bool, str, str] | tuple[bool, str, str, str]
"""Whether it is well, what was found, what to type where it is not, and a verdict for programs."""


def put(questions: Mapping[str, Callable[[], HostAnswer]]) -> list[Finding]:
    """Every question, whatever the answers to those before it."""
    findings = []
    for name, ask in questions.items():
        begin = time.monotonic()
        ok, detail, hint, *verdict = ask()
        seconds = round(time.monotonic() - begin, 3)
        findings.append(Finding(name, ok, detail, seconds, "" if ok else hint, *verdict))
    return findings
