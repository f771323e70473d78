#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Chains of iptables that go by their names, and rules by links and comments (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: netfilter_chains
short_description: Removes chains by the first letters of their names, and rules by their links and comments
description:
  - Removes the chains with the rules that lead into them, and of other chains the rules about one of the
    links and those with one of the comments.
  - Works on IPv4 and IPv6, and on both backends of iptables where a host has two. Every other chain and rule
    stays as it is; a table is changed in one step, or not at all.
  - A table of the older backend that is not loaded stays so.
options:
  prefixes:
    description: What the names of the chains begin with.
    type: list
    elements: str
    default: []
  links:
    description: Names of links; a rule with one of them as its input or output goes, also where it negates it.
    type: list
    elements: str
    default: []
  comments:
    description: Whole comments of rules.
    type: list
    elements: str
    default: []
author: kubelab
"""

RETURN = r"""
removed:
  description: The chains that were removed (that would be, with --check), each as PROGRAM TABLE NAME.
  type: list
  elements: str
  returned: always
rules:
  description: The rules of other chains that were removed (that would be), each as PROGRAM TABLE RULE.
  type: list
  elements: str
  returned: always
"""

import shlex

from ansible.module_utils.basic import AnsibleModule

# A legacy program loads every table that it reads; these files list those that are loaded.
LOADED = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
# Options of a rule by what is asked of it. Their values are single words.
TARGETS, LINKS, COMMENTS = ("-j", "-g"), ("-i", "-o"), ("--comment",)
KEYS = ("prefixes", "links", "comments")


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


def values(rule, options):
    """The values of some options in a rule, as a save program printed it."""
    words = shlex.split(rule)
    return [value for option, value in zip(words, words[1:]) if option in options]


def is_ours(rule, ours, links, comments):
    """Whether a rule leads into a chain of ours, is about a link of ours, or has a comment of ours."""
    return (
        bool(set(values(rule, TARGETS)) & set(ours))
        or bool(set(values(rule, LINKS)) & set(links))
        or bool(set(values(rule, COMMENTS)) & set(comments))
    )


def change(lines, prefixes, links=(), comments=()):
    """How a restore program removes what is ours from one table: (our chains, our rules elsewhere, lines)."""
    names = [line[1:].split()[0] for line in lines if line.startswith(":")]
    ours = [name for name in names if prefixes and name.startswith(tuple(prefixes))]
    others = [line for line in lines if line.startswith("-A") and line.split()[1] not in ours]
    rules = [line for line in others if is_ours(line, ours, links, comments)]
    # Declaring a chain empties it: after that, no chain of ours leads into another.
    emptied = [":%s - [0:0]" % name for name in ours]
    removed = ["-D" + rule[2:] for rule in rules]
    return ours, rules, emptied + removed + ["-X %s" % name for name in ours]


def main():
    options = dict((key, {"type": "list", "elements": "str", "default": []}) for key in KEYS)
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    removed, rules = [], []
    for program in programs(module):
        saved = module.run_command([program + "-save"], check_rc=True)[1]
        for table, lines in tables(saved):
            ours, ruled, wanted = change(lines, *[module.params[key] for key in KEYS])
            if not wanted:
                continue
            removed += ["%s %s %s" % (program, table, name) for name in ours]
            rules += ["%s %s %s" % (program, table, rule) for rule in ruled]
            if not module.check_mode:
                text = "\n".join(["*" + table] + wanted + ["COMMIT", ""])
                restore = [program + "-restore", "--noflush"]
                module.run_command(restore, data=text, check_rc=True)
    module.exit_json(changed=bool(removed or rules), removed=removed, rules=rules)


if __name__ == "__main__":
    main()
