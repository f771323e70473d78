#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Kernel modules and parameters, now and after a restart (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: kernel_settings
short_description: Loads kernel modules and sets kernel parameters, now and after a restart
description:
  - Modules are listed in C(/etc/modules-load.d/kubelab.conf), parameters in
    C(/etc/sysctl.d/99-kubelab.conf). What is already as asked is left alone.
  - A module that is built into the kernel, or that no module tree has while all parameters can be
    set, counts as loaded. A parameter that cannot be set is an error.
options:
  modules:
    description: Names of modules.
    type: list
    elements: str
    default: []
  sysctls:
    description: Values by parameter name.
    type: dict
    default: {}
author: kubelab
"""

import os

from ansible.module_utils.basic import AnsibleModule

MODULES_FILE = "/etc/modules-load.d/kubelab.conf"
SYSCTL_FILE = "/etc/sysctl.d/99-kubelab.conf"


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return None


def write(module, path, text):
    """Write a file if it differs; return whether it did."""
    if read(path) == text:
        return False
    if not module.check_mode:
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
        draft = path + ".new"
        with open(draft, "w") as file:
            file.write(text)
        module.atomic_move(draft, path)
        os.chmod(path, 0o644)
    return True


def load(module, name):
    """Load a module unless it is there; return whether that changed anything."""
    if os.path.isdir("/sys/module/" + name):
        return False
    # A module that is built in need not be under /sys/module; --first-time refuses to load it again.
    modprobe = module.get_bin_path("modprobe")
    if modprobe is None:
        return False
    words = [modprobe, "--first-time"] + (["--dry-run"] if module.check_mode else []) + [name]
    return module.run_command(words)[0] == 0


def set_parameter(module, name, value):
    """Set a parameter unless it has the value; return whether that changed anything."""
    path = "/proc/sys/" + name.replace(".", "/")
    found = read(path)
    if found is not None and found.split() == value.split():
        return False
    if module.check_mode:
        return True
    try:
        with open(path, "w") as file:
            file.write(value)
    except (IOError, OSError) as error:
        module.fail_json(
            msg="cannot set {0} to {1}: {2}. Load the kernel module that it belongs to, or take it "
            "out of node_sysctls.".format(name, value, error)
        )
    return True


def main():
    module = AnsibleModule(
        argument_spec={
            "modules": {"type": "list", "elements": "str", "default": []},
            "sysctls": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    names = module.params["modules"]
    sysctls = dict((key, str(value)) for key, value in module.params["sysctls"].items())
    lines = "".join("{0} = {1}\n".format(key, sysctls[key]) for key in sorted(sysctls))
    changes = [write(module, MODULES_FILE, "".join(name + "\n" for name in names))]
    changes += [load(module, name) for name in names]
    changes += [write(module, SYSCTL_FILE, lines)]
    changes += [set_parameter(module, key, sysctls[key]) for key in sorted(sysctls)]
    module.exit_json(changed=any(changes))


if __name__ == "__main__":
    main()
