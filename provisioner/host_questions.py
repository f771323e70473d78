"""Asking questions about a host; each answer is a Finding."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner.model import Finding

HostAnswer = tuple[bool, str, str] | tuple[bool, str, str, str]
"""Whether the check passed, what was found, a hint for a failure, and a verdict for programs."""

# HashiCorp's own package of vagrant, whose Ruby does not load plugins of the distribution.
HASHICORPS_VAGRANT = Path("/opt/vagrant")


def ask_all(questions: Mapping[str, Callable[[], HostAnswer]]) -> list[Finding]:
    """Ask all questions, also after a failed one; returns the findings in order."""
    findings = []
    for name, ask in questions.items():
        begin = time.monotonic()
        ok, detail, hint, *verdict = ask()
        seconds = round(time.monotonic() - begin, 3)
        findings.append(Finding(name, ok, detail, seconds, "" if ok else hint, *verdict))
    return findings
