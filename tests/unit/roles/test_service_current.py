"""When a service is restarted: its start is compared with its files."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.conftest import module_of


@pytest.fixture(scope="module")
def current():
    return module_of("common", "service_current")


class EndedError(Exception):
    """What a module's exit raises here."""


class Module:
    """Ansible's module, and a systemd that remembers what it was told."""

    def __init__(self, properties, check=False, **params):
        self.properties, self.check_mode, self.calls = properties, check, []
        self.params = {"name": "x.service", "files": [], "health_port": 0, **params}

    def __call__(self, argument_spec, supports_check_mode):
        return self

    def run_command(self, words, check_rc):
        if words[1] == "show":
            return 0, "".join(f"{k}={v}\n" for k, v in self.properties.items()), ""
        self.calls.append(words[1])
        if words[1] in ("start", "restart") and not self.properties.get("condition"):
            self.properties |= {"ActiveState": "active"}
        return 0, "", ""

    def exit_json(self, **result):
        self.result = result

    def fail_json(self, msg):
        raise EndedError(msg)


def run(current, monkeypatch, age=None, **more):
    """Runs the module on a service that started ``age`` seconds ago, or does not run."""
    properties = {"UnitFileState": "enabled", "LoadState": "loaded", "ActiveState": "inactive"}
    if age is not None:
        started = int((time.monotonic() - age) * 1e6)
        properties |= {"ActiveState": "active", "ActiveEnterTimestampMonotonic": started}
    properties |= more.pop("properties", {})
    module = Module(properties, **more)
    monkeypatch.setattr(current, "AnsibleModule", module)
    current.main()
    return module


def test_a_service_older_than_its_file_is_restarted(current, monkeypatch, tmp_path):
    file = tmp_path / "unit"
    file.write_text("x")
    # A copy keeps the time of what it was copied from.
    os.utime(file, (0, 0))
    module = run(current, monkeypatch, age=60, files=[str(file)])
    assert module.calls == ["restart"]
    assert module.result == {"changed": True, "restarted": True, "newer": [str(file)]}


def test_a_service_younger_than_its_files_is_left_alone(current, monkeypatch):
    module = run(current, monkeypatch, age=60, files=["/etc/hostname", "/not/there"])
    assert module.calls == []
    assert module.result["changed"] is False


def test_a_clock_that_was_set_back_a_little_restarts_nothing(current, monkeypatch, tmp_path):
    (tmp_path / "unit").write_text("x")
    assert run(current, monkeypatch, age=0.5, files=[str(tmp_path / "unit")]).calls == []


def test_a_unit_that_systemd_has_not_read_is_read_and_restarted(current, monkeypatch):
    module = run(current, monkeypatch, age=60, properties={"NeedDaemonReload": "yes"})
    assert module.calls == ["daemon-reload", "restart"]


def test_a_new_unit_is_read_enabled_and_started(current, monkeypatch):
    new = {"LoadState": "not-found", "UnitFileState": ""}
    module = run(current, monkeypatch, properties=new)
    assert module.calls == ["daemon-reload", "enable", "start"]
    assert module.result["changed"] is True


def test_a_unit_whose_condition_fails_changes_nothing(current, monkeypatch):
    module = run(current, monkeypatch, properties={"condition": "fails"})
    assert module.calls == ["start"]
    assert module.result["changed"] is False


def test_with_check_nothing_is_done_and_the_change_is_reported(current, monkeypatch, tmp_path):
    (tmp_path / "unit").write_text("x")
    module = run(current, monkeypatch, age=60, check=True, files=[str(tmp_path / "unit")])
    assert module.calls == []
    assert module.result["changed"] is True


@pytest.fixture
def server():
    """A health check that fails twice."""
    answers = [503, 503]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answers.pop() if answers else 200)
            self.end_headers()

        def log_message(self, *_args):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found.server_port
    found.shutdown()


def test_a_restart_ends_once_the_service_answers(current, monkeypatch, server):
    reload = {"NeedDaemonReload": "yes"}
    health = {"health_port": server, "health_path": "/healthz", "timeout": 20}
    assert run(current, monkeypatch, age=60, properties=reload, **health).result["restarted"]


def test_a_service_that_does_not_answer_is_reported(current, monkeypatch):
    reload = {"NeedDaemonReload": "yes"}
    with pytest.raises(EndedError, match=r"x.service was restarted, and /healthz on port 1 "):
        health = {"health_port": 1, "health_path": "/healthz", "timeout": 1}
        run(current, monkeypatch, age=60, properties=reload, **health)
