"""Every error that a user can see, and the exit code that goes with it.

    LabError                1   something failed; the next run continues from here
    ├── CommandError        1   a process that we started failed
    ├── BusyError           1   another command holds the lab
    ├── UsageError          2   the command line is invalid
    │   └── SpecError       2   the lab spec is refused; nothing was changed
    ├── HostError           3   this host cannot do what was asked
    └── Interrupted       130   stopped by a signal; the next run continues

An error has three parts: ``brief`` says what is wrong and where, ``details`` says why (it may
have several lines), ``hint`` says what to type next. Only ``report.py`` prints them.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class LabError(Exception):
    """Something failed, and the user can act on it."""

    brief: str
    details: str = ""
    hint: str = ""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """All three parts, one below the other."""
        return "\n".join(part for part in (self.brief, self.details, self.hint) if part)


class CommandError(LabError):
    """A process that we started failed."""


class BusyError(LabError):
    """Another command holds the lab."""


class UsageError(LabError):
    """The command line is invalid."""

    exit_code = 2


class SpecError(UsageError):
    """The lab spec is refused; nothing was changed."""


class HostError(LabError):
    """This host cannot do what was asked."""

    exit_code = 3


class Interrupted(LabError):  # noqa: N818 (a stop, not a fault)
    """A signal stopped the command; the next run continues from there."""

    exit_code = 130
