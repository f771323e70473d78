"""Reading YAML that somebody else may have written: its size is known before it is taken in.

YAML of a few lines can stand for billions of values, by aliases of aliases. So the events of the
parser are counted first, and the data is built only if it is small.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from provisioner.errors import SpecError

# A spec of 250 nodes has 25 KiB, 4000 values and four levels; overrides have six.
MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 20
# The parser of libyaml is ten times as fast, and takes a megabyte in less than a second.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LIMITS = "A spec is at most 1 MiB of YAML, with 20000 values in 20 levels."


class TooMuchError(ValueError):
    """The limit that a file of YAML exceeds, in words."""


@dataclass
class _Open:
    """A list or a mapping whose end was not read yet: its values, and the keys of a mapping."""

    anchor: str | None
    is_mapping: bool
    values: int = 1
    children: int = 0
    keys: set[str] = field(default_factory=set)


def _refuse_twice(top: _Open, event: Any) -> None:
    """Refuse a key that a mapping has already: YAML would silently use the last."""
    if not top.is_mapping or top.children % 2 or not isinstance(event, yaml.ScalarEvent):
        return
    if event.value in top.keys:
        where: Any = event.start_mark
        raise yaml.constructor.ConstructorError(None, None, f"{event.value}: given twice", where)
    top.keys.add(event.value)


def _count(event: Any, sizes: dict[str, int], above: list[_Open]) -> int:
    """The number of values that a scalar or an alias stands for."""
    if isinstance(event, yaml.ScalarEvent):
        return 1
    if any(event.anchor == outer.anchor for outer in above):
        raise TooMuchError(f"the alias *{event.anchor} contains itself, without an end")
    return sizes.get(event.anchor, 1)


def _check(events: Iterator[Any]) -> None:
    """Check the limits, and that no mapping has a key twice.

    Raises:
        TooMuchError: the YAML exceeds a limit.
        YAMLError: it is not YAML, or a key is given twice.
    """
    sizes: dict[str, int] = {}
    above = [_Open(None, is_mapping=False)]
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            _refuse_twice(above[-1], event)
            above.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
            if len(above) > MAX_DEPTH + 1:
                raise TooMuchError("nested too deeply")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            done = above.pop()
            more, anchor = done.values, done.anchor
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            _refuse_twice(above[-1], event)
            more = _count(event, sizes, above)
            anchor = event.anchor if isinstance(event, yaml.ScalarEvent) else None
        else:
            continue
        above[-1].children += 1
        above[-1].values += more
        if anchor:
            sizes[anchor] = more
        if above[-1].values > MAX_VALUES:
            raise TooMuchError("too many values, with those that aliases stand for")


def bounded_yaml(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """The data of a YAML file that somebody else may have written.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, or exceeds a limit (TooMuchError), or has a date that is none.
        YAMLError: it is not YAML, or a key is given twice.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooMuchError(f"larger than {max_bytes >> 20} MiB")
    text = data.decode("utf-8")
    _check(yaml.parse(text, LOADER))
    return yaml.load(text, LOADER)  # noqa: S506


def load_yaml(path: Path) -> Any:
    """The data of a lab spec.

    Raises:
        SpecError: the file cannot be read, is not valid YAML, or exceeds a limit.
        PermissionError: the file is another user's.
    """
    try:
        return bounded_yaml(path)
    except PermissionError:
        # The command line tells whose file it is.
        raise
    except (OSError, UnicodeDecodeError) as bad:
        raise SpecError(
            f"{path}: cannot read the lab spec", str(bad), "Name a readable file with -f FILE."
        ) from None
    except TooMuchError as bad:
        raise SpecError(f"{path}: {bad}", LIMITS, "Make it smaller.") from None
    # A number or a date can have the form of one, and no value.
    except (yaml.YAMLError, ValueError) as bad:
        raise SpecError(f"{path}: not valid YAML", str(bad), "Fix the line named above.") from None
