#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Chains of iptables that go by their names (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: netfilter_chains
short_description: Removes chains whose names begin with given letters, and the rules that lead into them
description:
  - Works on IPv4 and IPv6, and on both backends of iptables where a host has two. Every other chain and rule
    stays as it is; a table is changed in one step, or not at all.
  - A table of the older backend that is not loaded stays so.
options:
  prefixes:
    description: What the names of the chains begin with.
    type: list
    elements: str
    required: true
author: kubelab
"""

RETURN = r"""
removed:
  description: The chains that were removed (that would be, with --check), each as PROGRAM TABLE NAME.
  type: list
  elements: str
  returned: always
"""

import re

from ansible.module_utils.basic import AnsibleModule

# A legacy program loads every table that it reads; these files list those that are loaded.
LOADED = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
TARGET = re.compile(r" (?:-j|-g) (\S+)")


def has_tables(family):
    try:
        with open(LOADED[family]) as names:
            return bool(names.read().strip())
    except (IOError, OSError):
        return False


def programs(module):
    """The programs to ask: one a backend where a host has both, else the only one."""
    for family in sorted(LOADED):
        modern = module.get_bin_path(family + "-nft-save")
        if modern:
            yield family + "-nft"
        elif module.get_bin_path(family + "-save"):
            yield family
        if modern and module.get_bin_path(family + "-legacy-save") and has_tables(family):
            yield family + "-legacy"


def tables(text):
    """The lines of each table that a save program printed: [(name, lines)]."""
    found = []
    for line in text.splitlines():
        if line.startswith("*"):
            found.append((line[1:], []))
        elif line[:1] in (":", "-") and found:
            found[-1][1].append(line)
    return found


def change(lines, prefixes):
    """Input of a restore program that removes our chains from one table: (their names, its lines)."""
    names = [line[1:].split()[0] for line in lines if line.startswith(":")]
    ours = [name for name in names if name.startswith(prefixes)]
    leading = []
    for line in lines:
        # A comment may contain such words, too; the target comes last.
        targets = TARGET.findall(line)
        if line.startswith("-A") and targets and targets[-1] in ours:
            if line.split()[1] not in ours:
                leading.append("-D" + line[2:])
    # Declaring a chain empties it: after that, no chain of ours leads into another.
    emptied = [":%s - [0:0]" % name for name in ours]
    return ours, emptied + leading + ["-X %s" % name for name in ours]


def main():
    options = {"prefixes": {"type": "list", "elements": "str", "required": True}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    prefixes = tuple(module.params["prefixes"])
    removed = []
    for program in programs(module):
        saved = module.run_command([program + "-save"], check_rc=True)[1]
        for table, lines in tables(saved):
            ours, wanted = change(lines, prefixes)
            if not ours:
                continue
            removed += ["%s %s %s" % (program, table, name) for name in ours]
            if not module.check_mode:
                text = "\n".join(["*" + table] + wanted + ["COMMIT", ""])
                restore = [program + "-restore", "--noflush"]
                module.run_command(restore, data=text, check_rc=True)
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
