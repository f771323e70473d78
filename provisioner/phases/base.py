"""The base class of phases, and the function that runs a list of them.

A phase asks the machines whether it is needed; no record says that it was done. So running the
same list again continues an interrupted run.
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
    """The result of a phase: a summary in a few words, and data for later phases."""

    said: str = ""
    artifacts: ArtifactSet | None = None
    recap: Recap | None = None


class Phase(ABC):
    """One step of a recipe. ``key`` is its name in events, ``title`` its name for people."""

    key: str
    title: str

    def needed(self, context: Context) -> bool:
        """Whether there is anything to do, from the current state."""
        del context
        return True

    @abstractmethod
    def run(self, context: Context) -> Done:
        """Do the work of the phase.

        Raises:
            LabError: the phase failed; the next run continues from what was done.
        """


@dataclass(frozen=True)
class PhaseTime:
    """The duration and the outcome of a phase; ``seconds`` is wall-clock time."""

    key: str
    title: str
    seconds: float
    outcome: str


@dataclass(frozen=True)
class Outcome:
    """The times of a recipe's phases, and the context after the last phase."""

    times: tuple[PhaseTime, ...]
    context: Context


def run_recipe(recipe: Sequence[Phase], context: Context) -> Outcome:
    """Run the phases in order.

    Raises:
        LabError: a phase failed; later phases did not start.
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
