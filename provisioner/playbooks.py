"""Running a playbook, by ansible-runner. Its events come out as ours; its failures as LabErrors."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_mitogen
import ansible_runner

from provisioner.errors import Interrupted, LabError
from provisioner.model import Event, Listener, Status
from provisioner.shell import TETHER, tail

STATUSES: Mapping[str, Status] = {
    "runner_on_start": "start",
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
GONE_ON = "Mend that and run the command again: it goes on from here."


@dataclass
class Recap:
    """What a playbook did: per host, how many tasks ended how (Ansible's own words as keys).

    ``stats`` is what its tasks handed out by ``set_stats``.
    """

    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts together."""
        return sum(counts.get("changed", 0) for counts in self.hosts.values())


class _Run:
    """The events of one playbook run, on their way from Ansible's words to ours."""

    def __init__(self, phase: str, listen: Listener) -> None:
        self.phase = phase
        self.listen = listen
        self.recap = Recap()
        self.failures: list[tuple[str, str, str]] = []
        self.output: list[str] = []

    def handle(self, raw: dict[str, Any]) -> bool:
        """Take one event of ansible-runner; False says that it need not be kept on disk."""
        kind, data = raw.get("event", ""), raw.get("event_data", {})
        if kind == "playbook_on_stats":
            self._count(data)
        elif kind in STATUSES:
            self._pass_on(STATUSES[kind], data)
        elif raw.get("stdout"):
            self.output = [*self.output[-40:], raw["stdout"]]
        return False

    def _count(self, data: Mapping[str, Any]) -> None:
        for word in ("ok", "changed", "failures", "dark", "skipped", "rescued"):
            for host, count in data.get(word, {}).items():
                self.recap.hosts.setdefault(host, {"changed": 0})[word] = count
        self.recap.stats = data.get("artifact_data") or {}

    def _pass_on(self, status: Status, data: Mapping[str, Any]) -> None:
        result = data.get("res") or {}
        if status == "ok" and result.get("changed"):
            status = "changed"
        if status == "failed" and data.get("ignore_errors"):
            status = "ok"
        role, task, host = data.get("role", ""), data.get("task", ""), data.get("host", "")
        name = f"{role} : {task}" if role and not task.startswith(f"{role} :") else task
        detail = _reason(result) if status in ("failed", "unreachable") else ""
        if detail:
            self.failures.append((host, name, detail))
        self.listen(
            Event(self.phase, name, status, host, round(data.get("duration") or 0.0, 3), detail)
        )

    def error(self, status: str) -> LabError:
        """What a run that did not succeed says to the user."""
        if status == "canceled":
            hint = "Run the same command again: it goes on from here."
            return Interrupted("interrupted while Ansible was at work", "", hint)
        if not self.failures:
            return LabError(f"Ansible ended as {status}", tail("\n".join(self.output)), GONE_ON)
        # What came after the first failure may be no more than its consequence.
        host, task, reason = self.failures[0]
        others = sorted({other for other, _, _ in self.failures} - {host})
        also = f"\n(also on {', '.join(others)})" if others else ""
        return LabError(f"{host}: {task}: failed", reason + also, GONE_ON)


def _reason(result: Mapping[str, Any]) -> str:
    """Why a task failed, from its result: the message, and the tail of what a command said."""
    if "censored" in result:
        return "(what it said is not shown: the task handles a secret)"
    parts = [str(result.get("msg", ""))]
    parts += [str(result.get(key) or "") for key in ("module_stderr", "stdout", "stderr")]
    for item in result.get("results", []):
        if item.get("failed"):
            parts.append(f"{item.get('item', '')}: {item.get('msg', '')}")
    return tail("\n".join(part for part in parts if part)) or "(no reason given)"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for ansible-runner: in the lab, closed to others, gone with it also after a kill."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_with_us(runner: Any) -> None:
    """Run Ansible so that it ends when we are killed, with its workers and their connections.

    Left to itself it goes on with a lab on which the next command is at work already.
    """
    runner.config.command = [*TETHER, *runner.config.command]
    runner.run()


def environment(config: Path, *, mitogen: bool = True) -> dict[str, str]:
    """What Ansible finds in its environment.

    With Mitogen one Python on each host serves a whole run, where Ansible starts one for each task:
    a tenth of a second on a real machine, one to three on an emulated one.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"ANSIBLE_CONFIG": str(config), "PATH": path}
    if mitogen:
        env["ANSIBLE_STRATEGY"] = "mitogen_linear"
        plugins = Path(ansible_mitogen.__file__).parent / "plugins/strategy"
        env["ANSIBLE_STRATEGY_PLUGINS"] = str(plugins)
    return env


def run_playbook(
    playbook: Path,
    inventory: Path,
    *,
    phase: str,
    listen: Listener,
    config: Path,
    limit: str = "",
    variables: Mapping[str, Any] | None = None,
) -> Recap:
    """Run a playbook to its end, with ``config`` as its ansible.cfg.

    Nothing of the run stays on disk: a result may hold what others should not read. ``variables``
    are seen in the list of processes, so they hold no secret.

    Raises:
        LabError: a task failed or a host was unreachable; it names host, task and reason.
        Interrupted: a signal stopped it.
    """
    run = _Run(phase, listen)
    with _scratch(inventory.parent / "ansible") as scratch:
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(scratch),
            project_dir=str(playbook.parent),
            playbook=str(playbook),
            inventory=str(inventory),
            limit=limit or None,
            extravars=dict(variables or {}),
            event_handler=run.handle,
            envvars=environment(config),
            quiet=True,
            suppress_env_files=True,
        )
        _run_with_us(runner)
    if runner.status != "successful":
        raise run.error(runner.status)
    return run.recap
