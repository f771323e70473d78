"""The events of a command on disk, as JSON lines."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from provisioner.model import Event

KEPT_RUNS = 50


class EventLog:
    """Writes the events of one command to ``run/TIME-COMMAND.jsonl``, as JSON lines.

    Events are held in memory until the lab's folder exists, so a refused command leaves no files.
    """

    def __init__(self, folder: Path, command: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = folder / f"{stamp}-{command}.jsonl"
        self.kept: list[str] = []
        if folder.parent.is_dir():
            self._make_room()

    def _make_room(self) -> None:
        folder = self.path.parent
        folder.mkdir(exist_ok=True)
        for old in sorted(folder.glob("*.jsonl"))[: -KEPT_RUNS + 1]:
            old.unlink(missing_ok=True)

    def __call__(self, event: Event) -> None:
        """Append one event and its time (``ts``, in seconds since the epoch)."""
        if event.status == "progress":
            return
        line = json.dumps({"ts": round(time.time(), 3), **event.as_json()}) + "\n"
        self.kept.append(line)
        if not self.path.parent.parent.is_dir():
            return
        if not self.path.parent.is_dir():
            self._make_room()
        with self.path.open("a", encoding="utf-8") as log:
            log.writelines(self.kept)
        self.kept.clear()


def read_events(path: Path) -> list[dict[str, object]]:
    """The events of one run; incomplete lines of a killed run are left out."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
