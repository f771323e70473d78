"""The builder: runs steps that depend on each other; each step makes one entry of the store.

Only missing or corrupt entries are built. Independent steps run in parallel. Entries that an
interrupted run finished are kept, and Go's own cache keeps partial compilations.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path

import psutil

from provisioner.artifacts.store import Store
from provisioner.errors import CommandError, HostError
from provisioner.model import Event, Listener, Tell
from provisioner.shell import end_children

PHASE = "artifacts"
# Seconds to wait for the lock: the duration of a complete first build on a slow machine.
PATIENCE = 1200
Made = Mapping[str, Path]
"""The folder of each finished entry, by the name of its step."""


@dataclass(frozen=True)
class Step:
    """One build: ``make`` fills an empty folder from the entries of the steps in ``needs``.

    ``key`` is the content key. ``room`` is the disk space in MiB that it takes, with caches.
    """

    name: str
    key: str
    make: Callable[[Path, Made, Tell], None]
    needs: tuple[str, ...] = ()
    room: int = 50


class Builder:
    """Builds steps into a store with ``jobs`` threads and reports progress to ``listen``."""

    def __init__(self, store: Store, listen: Listener, jobs: int) -> None:
        self.store = store
        self.listen = listen
        self.jobs = jobs
        self.made: dict[str, Path] = {}

    def build(self, steps: Mapping[str, Step]) -> dict[str, Path]:
        """Build all steps that are missing; returns the entry of every step.

        Raises:
            BusyError: another process held the store for more than twenty minutes.
            HostError: the disk is full, or the cache cannot be written.
            CommandError: a step failed; the entries of finished steps are kept.
        """
        if not self._missing(steps):
            return dict(self.made)
        try:
            with self.store.locked(PATIENCE):
                # Another process may have built them while this one waited for the lock.
                missing = self._missing(steps)
                self._check_room(missing)
                self._run(missing)
        except PermissionError:
            # The command line tells whose folder it is.
            raise
        except OSError as error:
            raise self._disk_fault(error) from None
        except CommandError as error:
            # External tools report a full disk in their output, not as an OSError.
            if os.strerror(errno.ENOSPC).lower() in error.details.lower():
                raise self._disk_fault(error) from None
            raise
        return dict(self.made)

    def _check_room(self, missing: Mapping[str, Step]) -> None:
        """Fail early on a full disk, because apt would retry for minutes."""
        wanted = sum(step.room for step in missing.values())
        free = psutil.disk_usage(str(self.store.folder)).free // 2**20
        if free < wanted:
            names = ", ".join(missing)
            raise OSError(f"{free} MiB free, {wanted} MiB needed to build {names}")

    def _disk_fault(self, error: Exception) -> HostError:
        return HostError(
            f"cannot write artifacts to {self.store.folder}",
            str(error),
            "Free disk space, or set KUBELAB_CACHE to another disk; finished builds are kept.",
        )

    def _missing(self, steps: Mapping[str, Step]) -> dict[str, Step]:
        missing = {}
        for name, step in steps.items():
            entry = self.store.path(name, step.key)
            if entry.is_dir() and not self.store.faults(entry):
                self.made[name] = entry
            else:
                missing[name] = step
        return missing

    def _run(self, steps: Mapping[str, Step]) -> None:
        graph = {
            name: {need for need in step.needs if need in steps} for name, step in steps.items()
        }
        order = TopologicalSorter(graph)
        order.prepare()
        running: dict[Future[Path], str] = {}
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            try:
                while order.is_active():
                    for name in order.get_ready():
                        running[pool.submit(self._make, steps[name])] = name
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        name = running.pop(future)
                        self.made[name] = future.result()
                        order.done(name)
            except BaseException:
                # Otherwise the pool would wait until the running compilers end.
                pool.shutdown(wait=False, cancel_futures=True)
                end_children()
                raise

    def _make(self, step: Step) -> Path:
        begin = time.monotonic()
        corrupt = self.store.path(step.name, step.key)
        for name in self.store.faults(corrupt) if corrupt.is_dir() else []:
            detail = f"{corrupt / name} is corrupt: building it again"
            self.listen(Event(PHASE, step.name, "failed", detail=detail))
        self.listen(Event(PHASE, step.name, "start"))

        def tell(detail: str, fraction: float | None) -> None:
            seconds = round(time.monotonic() - begin, 1)
            event = Event(PHASE, step.name, "progress", "", seconds, detail, fraction)
            self.listen(event)

        draft = self.store.draft(step.name)
        try:
            step.make(draft, self.made, tell)
        except CommandError as error:
            raise replace(error, brief=f"artifact {step.name}: {error.brief}") from None
        entry = self.store.keep(draft, step.name, step.key)
        self.listen(Event(PHASE, step.name, "changed", "", round(time.monotonic() - begin, 3)))
        return entry
