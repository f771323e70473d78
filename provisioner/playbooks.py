"""Running a playbook by ansible-runner, with kubelab's own events and errors."""

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
from provisioner.inventory import UNSAFE_JSON, verbatim
from provisioner.model import Event, Listener, Status
from provisioner.shell import TETHER, tail

STATUSES: Mapping[str, Status] = {
    "runner_on_start": "start",
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
FIX_AND_RERUN = "Fix that and run the command again: it continues from this point."


@dataclass
class Recap:
    """The result of a playbook: for each host the number of tasks by Ansible's own categories.

    ``stats`` is the data that tasks returned by ``set_stats``.
    """

    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """The number of tasks that changed something, on all hosts together."""
        return sum(counts.get("changed", 0) for counts in self.hosts.values())


class _Run:
    """One playbook run: converts Ansible's events to kubelab's, and collects its failures."""

    def __init__(self, phase: str, listen: Listener) -> None:
        self.phase = phase
        self.listen = listen
        self.recap = Recap()
        self.failures: list[tuple[str, str, str]] = []
        self.output: list[str] = []

    def handle(self, raw: dict[str, Any]) -> bool:
        """Handle one event of ansible-runner; returns False, so that it is not kept on disk."""
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
        """The error for a run that ended with ``status``."""
        if status == "canceled":
            hint = "Run the same command again: it continues from this point."
            return Interrupted("interrupted while Ansible was running", "", hint)
        if not self.failures:
            output = tail("\n".join(self.output))
            return LabError(f"Ansible ended as {status}", output, FIX_AND_RERUN)
        # Later failures may be consequences of the first.
        host, task, reason = self.failures[0]
        others = sorted({other for other, _, _ in self.failures} - {host})
        also = f"\n(also on {', '.join(others)})" if others else ""
        return LabError(f"{host}: {task}: failed", reason + also, FIX_AND_RERUN)


def _reason(result: Mapping[str, Any]) -> str:
    """Why a task failed, from its result: the message, and the end of a command's output."""
    if "censored" in result:
        return "(its output is not shown, because the task handles a secret)"
    parts = [str(result.get("msg", ""))]
    parts += [str(result.get(key) or "") for key in ("module_stderr", "stdout", "stderr")]
    for item in result.get("results", []):
        if item.get("failed"):
            said = item.get("stderr") or item.get("stdout") or ""
            parts.append(f"{item.get('item', '')}: {item.get('msg', '')}\n{tail(said, 4)}")
    return tail("\n".join(part for part in parts if part)) or "(no reason given)"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A private folder of ansible-runner in the lab, so that destroy removes it after a kill."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_tethered(runner: Any) -> None:
    """Run Ansible so that it ends with its workers and connections if kubelab is killed.

    Otherwise it would continue to change the lab while the next command runs.
    """
    runner.config.command = [*TETHER, *runner.config.command]
    runner.run()


def environment(config: Path, *, mitogen: bool = True) -> dict[str, str]:
    """The environment variables for Ansible.

    With Mitogen one Python process on each host serves a whole run. Ansible alone starts one for
    each task, which takes 0.1 s on a real machine and 1 s to 3 s on an emulated one.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # Errors quote its output, and events on disk have it: without colours.
    env = {"ANSIBLE_CONFIG": str(config), "PATH": path, "ANSIBLE_NOCOLOR": "true"}
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

    No results stay on disk, because they may contain secrets. ``variables`` must not contain
    secrets, because they are visible in the list of processes.

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
            extravars=verbatim(dict(variables or {}), lambda text: {UNSAFE_JSON: text}),
            event_handler=run.handle,
            # Plugins and settings in the user's home are not ours.
            envvars={**environment(config), "ANSIBLE_HOME": str(scratch / "home")},
            quiet=True,
            suppress_env_files=True,
        )
        _run_tethered(runner)
    if runner.status != "successful":
        raise run.error(runner.status)
    return run.recap
