#!/usr/bin/python
# -*- coding: utf-8 -*-
"""The configuration file of docker (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: docker_config
short_description: Writes docker's configuration, and reports whether docker runs with an older one
description:
  - The file is replaced as a whole, and its folder is made. Whether docker needs a restart is read
    from the machine (the file is newer than docker's start), so the next run mends a run that was cut
    off between the two.
options:
  settings:
    description: Content of C(/etc/docker/daemon.json).
    type: dict
    required: true
author: kubelab
"""

RETURN = r"""
restart:
  description: Whether docker needs a restart to read the configuration.
  type: bool
  returned: always
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule

FILE = "/etc/docker/daemon.json"
# dockerd writes it as it starts.
STARTED = "/var/run/docker.pid"


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return None


def write(module, text):
    """Replace the file in one step."""
    folder = os.path.dirname(FILE)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    draft = FILE + ".new"
    with open(draft, "w") as file:
        file.write(text)
    os.chmod(draft, 0o644)
    module.atomic_move(draft, FILE)


def is_newer(path, other):
    try:
        return os.stat(path).st_mtime > os.stat(other).st_mtime
    except OSError:
        return False


def main():
    module = AnsibleModule(
        argument_spec={"settings": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    text = json.dumps(module.params["settings"], indent=4, sort_keys=True) + "\n"
    before = read(FILE)
    changed = before != text
    if changed and not module.check_mode:
        write(module, text)
    module.exit_json(
        changed=changed,
        restart=changed or is_newer(FILE, STARTED),
        diff={"before": before or "", "after": text, "before_header": FILE, "after_header": FILE},
    )


if __name__ == "__main__":
    main()
