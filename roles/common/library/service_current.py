#!/usr/bin/python
# -*- coding: utf-8 -*-
"""A service that runs what its files say (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: service_current
short_description: Starts a service, and restarts it where one of its files is newer than its start
description:
  - The service is enabled and started. It is restarted where its unit, its binary or another of its files
    changed after it started, so the next run mends a run that was killed between the change and the restart.
  - A service that systemd does not start because of a condition of its unit stays inactive.
options:
  name:
    description: Name of the unit.
    type: str
    required: true
  files:
    description: Files that the running service was started from.
    type: list
    elements: path
    required: true
  health_port:
    description: Port of this machine on which O(health_path) has to answer with 200 after a restart; 0 for none.
    type: int
    default: 0
  health_path:
    description: Path of the health check.
    type: str
    default: /healthz
  timeout:
    description: Seconds that the health check may take.
    type: int
    default: 300
author: kubelab
"""

RETURN = r"""
restarted:
  description: Whether a running service was restarted.
  type: bool
  returned: always
newer:
  description: The files that are newer than the start of the service.
  type: list
  elements: str
  returned: always
"""

import ctypes
import os
import time

from ansible.module_utils.basic import AnsibleModule

try:
    from http.client import HTTPConnection, HTTPException
except ImportError:
    from httplib import HTTPConnection, HTTPException

PROPERTIES = (
    "ActiveState",
    "ActiveEnterTimestampMonotonic",
    "LoadState",
    "NeedDaemonReload",
    "UnitFileState",
)
# A clock that is set back by less than this makes no file newer.
TOLERANCE = 1.0


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def monotonic():
    """Seconds of CLOCK_MONOTONIC, by which systemd notes when a service started."""
    if hasattr(time, "monotonic"):
        return time.monotonic()
    found = Timespec()
    ctypes.CDLL("librt.so.1").clock_gettime(1, ctypes.byref(found))
    return found.seconds + found.nanoseconds / 1e9


def show(module, name):
    """Properties of a unit, by their names."""
    words = ["systemctl", "show", name] + ["--property=" + key for key in PROPERTIES]
    out = module.run_command(words, check_rc=True)[1]
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def changed_at(path):
    """When a file was last written or replaced; copying keeps an old mtime, and never an old ctime."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0


def newer_files(files, started_monotonic, now, now_monotonic):
    """The files that changed after a service started."""
    started = now - (now_monotonic - started_monotonic)
    return [path for path in files if changed_at(path) > started + TOLERANCE]


def is_active(properties):
    return properties.get("ActiveState") in ("active", "activating", "reloading")


def is_healthy(port, path):
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (HTTPException, IOError, OSError):
        return False
    finally:
        connection.close()


def await_health(module):
    """Wait until the service answers: another host's turn comes after that."""
    port, path = module.params["health_port"], module.params["health_path"]
    deadline = monotonic() + module.params["timeout"]
    while not is_healthy(port, path):
        if monotonic() > deadline:
            module.fail_json(
                msg="{0} was restarted, and {1} on port {2} did not answer within {3} s".format(
                    module.params["name"], path, port, module.params["timeout"]
                )
            )
        time.sleep(0.5)


def apply(module, reload, enable, verb):
    """Do what is to be done, in systemd's order."""
    name = module.params["name"]
    for wanted, words in ((reload, ["daemon-reload"]), (enable, ["enable", name]), (verb, [verb, name])):
        if wanted:
            module.run_command(["systemctl"] + words, check_rc=True)
    if verb == "restart" and module.params["health_port"]:
        await_health(module)


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
            "health_port": {"type": "int", "default": 0},
            "health_path": {"type": "str", "default": "/healthz"},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    before = show(module, module.params["name"])
    active = is_active(before)
    started = int(before.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    # systemd may remember from earlier that it did not find a unit.
    reload = before.get("NeedDaemonReload") == "yes" or before.get("LoadState") == "not-found"
    newer = newer_files(module.params["files"], started, time.time(), monotonic()) if active else []
    restart = active and (reload or bool(newer))
    enable = before.get("UnitFileState") != "enabled"
    if not module.check_mode:
        apply(module, reload, enable, "restart" if restart else "" if active else "start")
    after = before if module.check_mode else show(module, module.params["name"])
    changed = restart or enable or (not active and (module.check_mode or is_active(after)))
    module.exit_json(changed=changed, restarted=restart, newer=newer)


if __name__ == "__main__":
    main()
