"""A command that is stopped at a moment of it, and the proof that the moment was hit."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.moments import Moment


class Stopped:
    """A command that is stopped at a moment, and the proof that the moment was hit."""

    def __init__(
        self, moment: Moment, process: subprocess.Popen, runs: Path, earlier: set[Path]
    ) -> None:
        self.moment = moment
        self.process = process
        self.runs = runs
        # Events of earlier commands are not those of this one.
        self.earlier = earlier
        self.run = Path()

    def events(self) -> list[dict[str, Any]]:
        lines = self.run.read_text().splitlines() if self.run.is_file() else []
        found = []
        for line in lines:
            # The last one may be in the middle of being written.
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found

    def of_task(self, task: str, *statuses: str) -> set[str]:
        """The hosts on which a task of the moment's phase has one of these states."""
        phase = self.moment.phase
        return {
            event["host"]
            for event in self.events()
            if (event["task"], event["phase"]) == (task, phase) and event["status"] in statuses
        }

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.of_task(self.moment.task, "start"):
            if self.process.poll() is not None:
                out, err = self.process.communicate()
                raise AssertionError(f"it ended before {self.moment}\n{out}\n{err}")
            assert time.monotonic() < deadline, f"no {self.moment} within {seconds} s"
            time.sleep(0.01)
            new = set(self.runs.glob("*.jsonl")) - self.earlier
            self.run = max(new, default=Path())

    def stop(self, number: signal.Signals) -> tuple[str, str]:
        """Send the signal, and see that it hit the command at work; what the command printed."""
        assert self.process.poll() is None, f"it ended before {number.name} at {self.moment}"
        os.kill(self.process.pid, number)
        out, err = self.process.communicate(timeout=60)
        code = 130 if number == signal.SIGINT else -number
        assert self.process.returncode == code, f"{self.process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        begun = self.of_task(self.moment.task, "start")
        over = self.of_task(self.moment.waits or self.moment.task, "ok", "changed", "skipped")
        assert begun - over, f"{self.moment} was over on {over}"
        assert not self._phase_is_over(), f"the phase of {self.moment} was over"
        return out, err

    def _phase_is_over(self) -> bool:
        mine = [event for event in self.events() if event["phase"] == self.moment.phase]
        title = mine[0]["task"]
        return any(e["task"] == title and e["status"] in ("ok", "skipped") for e in mine)
