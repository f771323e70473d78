"""What a phase is, and how a list of them is run.

A phase asks the machines whether it is needed; nothing remembers that it was done. So a run that
was stopped anywhere is picked up by running the same list again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.catalog.load import Bundle, Catalog
from provisioner.lab import Lab
from provisioner.model import Event, Listener, Status
from provisioner.playbooks import Recap
from provisioner.providers.base import Provider
from provisioner.spec import LabSpec


@dataclass
class Context:
    """What phases work on, and what one leaves for the next.

    ``began`` is when the command started, in seconds since the epoch.
    """

    lab: Lab
    spec: LabSpec
    catalog: Catalog
    provider: Provider
    listen: Listener
    artifacts: ArtifactSet | None = None
    recap: Recap | None = None
    began: float = field(default_factory=time.time)

    @property
    def bundles(self) -> list[Bundle]:
        """What the lab's Kubernetes, its pod network and its dashboard are made of."""
        spec = self.spec
        return self.catalog.bundles(spec.kubernetes.version, spec.cni.name, spec.dashboard.name)


class Phase(Protocol):
    """One step of a recipe. ``key`` is its name in events, ``title`` its name for people."""

    key: str
    title: str

    def needed(self, context: Context) -> bool:
        """Whether there is anything to do; asks what is true now."""
        ...

    def run(self, context: Context) -> str:
        """Do it, and return what to say of it in a few words (may be empty).

        Raises:
            LabError: it could not be done; what was done stays for the next run.
        """
        ...


@dataclass(frozen=True)
class PhaseTime:
    """How a phase went; ``seconds`` is wall-clock time."""

    key: str
    title: str
    seconds: float
    outcome: str


def run_recipe(recipe: Sequence[Phase], context: Context) -> list[PhaseTime]:
    """Run the phases in order and return how long each took.

    Raises:
        LabError: of the phase that failed; those after it did not start.
    """
    times = []
    for phase in recipe:
        context.listen(Event(phase.key, phase.title, "start"))
        begin = time.monotonic()
        try:
            wanted = phase.needed(context)
            outcome = phase.run(context) if wanted else "nothing to do"
        except BaseException as error:
            seconds = round(time.monotonic() - begin, 3)
            context.listen(Event(phase.key, phase.title, "failed", "", seconds, str(error)[:200]))
            raise
        seconds = round(time.monotonic() - begin, 3)
        status: Status = "ok" if wanted else "skipped"
        context.listen(Event(phase.key, phase.title, status, "", seconds, outcome))
        times.append(PhaseTime(phase.key, phase.title, seconds, outcome))
    return times
