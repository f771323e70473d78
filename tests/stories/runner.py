"""Runs a story of tests/scenarios/*.yml: steps one after another, each with what is expected of it.

A step has one of these, with the words of a command (``{lab}``, ``{spec}``, ``{network}``,
``{scenarios}``, a ``{folder}`` for files, and the names of the story's own specs are filled in):

    kubelab: node drain worker1     one command of kubelab, on the story's lab
    kubectl: get nodes -o name      the same by `kubelab kubectl`
    ssh: worker1 uptime             a node, and a command for its shell
    ansible: site.yml --check       one of our playbooks, by plain ansible-playbook
    remember: worker1               all of a node that a cluster touches; `same: worker1` compares

and of these what it needs:

    code: 0              the exit code                   says: [...]    texts in what it prints
    lacks: [...]         texts that are not there        json: {...}    values in its --json
    changed: {...}       tasks by host, of `ansible`     hosts: [...]   that it worked on
    within: 60           tried again, for seconds
    at: moment           stopped there, by               signal: SIGKILL

A path of ``json`` goes by keys and numbers; ``*`` is every member, ``name=x`` those of that name.
What is found has to be equal to the value, or ``{above: 0}``, ``{contains: x}``, ``{not: x}``,
``{exactly: [...]}`` (all that is found, in any order).
"""

import json
import re
import shlex
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.labs import PROJECT, SharedLab, recap, with_changes
from tests.nodes import changes_of_node, node_state

FOLDER = PROJECT / "tests/scenarios"
ACTS = {"kubelab", "kubectl", "ssh", "ansible", "remember", "same"}
EXPECTED = {"code", "says", "lacks", "json", "changed", "hosts", "within", "at", "signal"}
KEYS = {"name", "needs", "changes", "extended", "specs", "steps"}


@dataclass(frozen=True)
class Story:
    """One story: its lab, what it needs of it, and its steps."""

    name: str
    file: str
    lab: str
    steps: list[dict[str, Any]]
    needs: str = "whole"
    changes: bool = True
    extended: bool = False
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_stories(folder: Path = FOLDER) -> list[Story]:
    """Every story of the scenario files."""
    found = []
    for path in sorted(folder.glob("*.yml")):
        document = yaml.safe_load(path.read_text())
        for given in document.get("stories", []):
            common = {"file": path.stem, "lab": document["lab"]}
            found.append(Story(**{"extended": document.get("extended", False), **common, **given}))
    return found


def act_of(step: dict[str, Any]) -> str:
    """The one thing that a step does.

    Raises:
        ValueError: it does none, or several, or has a key that means nothing.
    """
    acts = set(step) & ACTS
    if len(acts) != 1 or set(step) - ACTS - EXPECTED:
        raise ValueError(f"no step: {step}")
    return acts.pop()


def found_at(document: Any, path: str) -> list[Any]:
    """Everything that is at a path."""
    places = [document]
    for word in path.split("."):
        places = [member for place in places for member in _members(place, word)]
    return places


def _members(place: Any, word: str) -> Iterator[Any]:
    if word == "*":
        yield from place.values() if isinstance(place, dict) else place
    elif "=" in word:
        key, _, value = word.partition("=")
        yield from (member for member in place if member.get(key) == value)
    elif isinstance(place, list):
        yield place[int(word)]
    else:
        yield place[word]


def is_as_expected(found: list[Any], wanted: Any) -> bool:
    """Whether what was found is what is wanted; nothing found is never what is wanted."""
    match wanted:
        case {"exactly": members}:
            return sorted(found, key=str) == sorted(members, key=str)
        case {"above": limit}:
            return bool(found) and all(value > limit for value in found)
        case {"contains": part}:
            return bool(found) and all(part in value for value in found)
        case {"not": value}:
            return bool(found) and value not in found
        case _:
            return bool(found) and all(value == wanted for value in found)


class Runner:
    """Runs the steps of one story on its lab."""

    def __init__(self, lab: SharedLab, story: Story, folder: Path) -> None:
        self.lab = lab
        self.values = {"lab": lab.name, "spec": str(lab.spec), "network": lab.plan.network}
        self.values |= {"scenarios": str(FOLDER), "folder": str(folder)}
        self.remembered: dict[str, dict[str, set[str]]] = {}
        for name, changes in story.specs.items():
            path = folder / f"{name}.yml"
            spec = yaml.safe_dump(with_changes(lab.data(), changes), sort_keys=False)
            path.write_text(self._filled(spec))
            self.values[name] = str(path)

    def run(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            deadline = time.monotonic() + step.get("within", 0)
            while True:
                try:
                    self._step(step)
                    break
                except AssertionError as error:
                    if time.monotonic() > deadline:
                        raise AssertionError(f"{step}\n{error}") from None
                    time.sleep(1)

    def _filled(self, text: str) -> str:
        """With our names in braces filled in; other braces are for the command."""
        return re.sub(r"\{([a-z_]+)\}", lambda m: self.values.get(m[1], m[0]), text)

    def _step(self, step: dict[str, Any]) -> None:
        act = act_of(step)
        text = self._filled(str(step[act]))
        if act == "remember":
            self.remembered[text] = node_state(self.lab, text)
        elif act == "same":
            assert changes_of_node(self.remembered[text], node_state(self.lab, text)) == []
        elif "at" in step:
            words = self._words(act, text)
            stopped = self.lab.started_until(step["at"], *words)
            self._texts(step, "".join(stopped.stop(signal.Signals[step.get("signal", "SIGKILL")])))
        else:
            said = self._said(act, text, step)
            self._texts(step, said)

    def _said(self, act: str, text: str, step: dict[str, Any]) -> str:
        code = step.get("code", 0)
        if act == "ansible":
            playbook, *words = shlex.split(text)
            said = self.lab.playbook(playbook, *words, code=code)
            counts = recap(said)
            for host, wanted in step.get("changed", {}).items():
                assert is_as_expected(found_at(counts, host), wanted), said
            assert sorted(step.get("hosts", counts)) == sorted(counts), said
            return said
        words = self._words(act, text)
        if "json" not in step:
            return "".join(self.lab.call(*words, code=code))
        plain, err = self.lab.call(*_with_json(act, words), code=code)
        document = json.loads(plain)
        for path, wanted in step["json"].items():
            found = found_at(document, path)
            assert is_as_expected(found, wanted), f"{path}: {found} is not {wanted}\n{plain}"
        return plain + err

    def _words(self, act: str, text: str) -> list[str]:
        name = ["--name", self.lab.name]
        if act == "ssh":
            node, _, command = text.partition(" ")
            return ["ssh", *name, node, "--", command]
        words = shlex.split(text)
        if act == "kubectl":
            return ["kubectl", *name, "--", *words]
        # A spec and a profile have names of their own; other commands are about no lab.
        if "-f" in words or words[0] in ("artifacts", "spec", "compat", "doctor"):
            return words
        if words[0] == "plan" and len(words) > 1:
            return words
        return [*words, *([] if "--name" in words else name)]

    def _texts(self, step: dict[str, Any], said: str) -> None:
        for text in step.get("says", []):
            assert self._filled(text) in said, f"no {text!r} in\n{said}"
        for text in step.get("lacks", []):
            assert self._filled(text) not in said, f"{text!r} in\n{said}"


def _with_json(act: str, words: list[str]) -> list[str]:
    return [*words, "-o", "json"] if act == "kubectl" else [*words, "--json"]
