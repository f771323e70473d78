"""What a phase is, and how a list of them is run.

A phase asks the machines whether it is needed; nothing remembers that it was done. So a run that
was stopped anywhere is picked up by running the same list again.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.context import Context
from provisioner.model import Event, Status
from provisioner.playbooks import Recap

NOTHING_TO_DO = "nothing to do"


@dataclass(frozen=True)
class Done:
    """What a phase did, in a few words, and what it leaves for the phases after it."""

    said: str = ""
    artifacts: ArtifactSet | None = None
    recap: Recap | None = None


class Phase(ABC):
    """One step of a recipe. ``key`` is its name in events, ``title`` its name for people."""

    key: str
    title: str

    def needed(self, context: Context) -> bool:
        """Whether there is anything to do; asks what is true now."""
        del context
        return True

    @abstractmethod
    def run(self, context: Context) -> Done:
        """Do it.

        Raises:
            LabError: it could not be done; what was done stays for the next run.
        """


@dataclass(frozen=True)
class PhaseTime:
    """How a phase went; ``seconds`` is wall-clock time."""

    key: str
    title: str
    seconds: float
    outcome: str


@dataclass(frozen=True)
class Outcome:
    """How a recipe went, and what its phases left."""

    times: tuple[PhaseTime, ...]
    context: Context


def run_recipe(recipe: Sequence[Phase], context: Context) -> Outcome:
    """Run the phases in order.

    Raises:
        LabError: of the phase that failed; those after it did not start.
    """
    times = []
    for phase in recipe:
        context.listen(Event(phase.key, phase.title, "start"))
        begin = time.monotonic()
        try:
            wanted = phase.needed(context)
            done = phase.run(context) if wanted else Done(NOTHING_TO_DO)
        except BaseException as error:
            seconds = round(time.monotonic() - begin, 3)
            context.listen(Event(phase.key, phase.title, "failed", "", seconds, str(error)[:200]))
            raise
        seconds = round(time.monotonic() - begin, 3)
        status: Status = "ok" if wanted else "skipped"
        context.listen(Event(phase.key, phase.title, status, "", seconds, done.said))
        times.append(PhaseTime(phase.key, phase.title, seconds, done.said))
        context = replace(
            context,
            artifacts=done.artifacts or context.artifacts,
            recap=done.recap or context.recap,
        )
    return Outcome(tuple(times), context)
