"""The places of all values of a lab spec, and hostile values to put there."""

import copy
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from provisioner.lab import profiles
from provisioner.spec import LabSpec

GOOD = yaml.safe_load(profiles()["embedded"].read_text())
HOSTILE = [
    "{{ lookup('pipe', 'touch trace') }}",
    "{% for a in (1, 2) %}x{% endfor %}",
    "{# x #}",
    "#{`touch trace`}",
    "$(touch trace)",
    "'; touch trace #",
    '" + `touch trace` + "',
    "\\",
    "%n $HOME",
    "a\n- b: c",
    "--- x\n...",
    "a: b",
    "- a",
    "[x]",
    "{a: b}",
    "*a",
    "&a b",
    "!unsafe x",
    "!!python/object/apply:os.system [id]",
    "!vault |\n  x",
    "null",
    "~",
    "on",
    "10",
    "1e3",
    "0x1f",
    "1:30",
    "2026-11-27",
    ".nan",
    "=",
    "<<",
    "\x00",
    "\x1b[2J",
    "\u2028",
    "\ud800",
    "é \U0001f600",
    "../../x",
    "-oProxyCommand=x",
    "<b>&amp;",
    "[red]x[/]",
    "",
    " ",
    " a ",
    "x" * 5000,
]
# The least that a member of a union needs beside its name.
NEEDS: dict[str, dict[str, Any]] = {"vagrant": {"box": {"name": "debian12"}}}
Step = tuple[Any, ...]


def leaves(kind, at: Step = ()):
    """The places of all values of a type that have no keys of their own, each with its type."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from leaves(get_args(kind)[0], at)
    elif origin in (Union, types.UnionType):
        for member in get_args(kind):
            yield from leaves(member, at)
    elif origin is list:
        yield from leaves(get_args(kind)[0], (*at, 0))
    elif origin is dict:
        yield (*at, KEY), str
        yield from leaves(get_args(kind)[1], (*at, KEYS.get(at[-1], "x")))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        tag = kind.model_fields.get("name")
        tags = get_args(tag.annotation) if tag and get_origin(tag.annotation) is Literal else ()
        inside = (*at, (tags[0],)) if tags and at else at
        for name, field in kind.model_fields.items():
            yield from leaves(field.annotation, (*inside, name))
    else:
        yield at, kind


KEY = object()
# A key that each mapping takes, where not any word is one.
KEYS = {"mirrors": "https://h/k"}
PLACES = list(leaves(LabSpec))
LEAVES = [at for at, _ in PLACES]
# Those whose values are text, and not one word of a few; a type that nobody knows may be text.
TEXTS = [at for at, kind in PLACES if kind not in (int, bool) and get_origin(kind) is not Literal]


def shown(at: Step) -> str:
    return ".".join("KEY" if step is KEY else str(step) for step in at)


def put(at: Step, value: str) -> dict:
    """The embedded profile with a value at a place; what is on the way there is made."""
    data = copy.deepcopy(GOOD)
    place: Any = data
    for step, following in zip(at, (*at[1:], None), strict=True):
        if isinstance(step, tuple):
            place |= {"name": step[0], **copy.deepcopy(NEEDS.get(step[0], {}))}
            for key in set(place) - {"name", *NEEDS.get(step[0], {})}:
                del place[key]
        elif step is KEY:
            place[value] = "https://h/x"
        elif following is None:
            place[slice(0, 1) if isinstance(step, int) else step] = (
                [value] if isinstance(step, int) else value
            )
        elif isinstance(step, str):
            if not isinstance(place.get(step), list if following == 0 else dict):
                place[step] = [] if following == 0 else {}
            place = place[step]
        else:
            place[:1] = place[:1] or [{}]
            place = place[0]
    return data
