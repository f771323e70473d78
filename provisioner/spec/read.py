"""Reading a lab spec, and reporting all its faults."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from provisioner.errors import SpecError
from provisioner.spec.load import load_yaml
from provisioner.spec.migrate import migrated
from provisioner.spec.rules import Offers, SpecFault, faults_of
from provisioner.spec.shape import LabSpec


def _tags() -> dict[str, tuple[str, ...]]:
    """The unions of the spec by key, and the tags of their members in pydantic's locations."""
    unions = {key: f for key, f in LabSpec.model_fields.items() if f.discriminator}
    return {
        key: tuple(
            tag
            for member in get_args(field.annotation)
            for tag in get_args(member.model_fields["name"].annotation)
        )
        for key, field in unions.items()
    }


TAGS = _tags()
SHOWN_FAULTS = 50


def _path(location: tuple[int | str, ...]) -> str:
    # pydantic's locations contain the tag of a union, which is not a key in the spec.
    if len(location) > 1 and location[1] in TAGS.get(str(location[0]), ()):
        location = (location[0], *location[2:])

    def step(key: int | str) -> str:
        if isinstance(key, int):
            return f"[{key}]"
        return f".{key if key.isprintable() else repr(key)}"

    return "".join(map(step, location)).lstrip(".") or "(top)"


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """The allowed keys at the end of ``location``."""
    models: list[Any] = [LabSpec]
    for key in location[:-1]:
        if isinstance(key, int):
            continue
        if len(models) > 1:
            models = [m for m in models if key in m.model_fields["name"].annotation.__args__]
            continue
        inner = models[0].model_fields[key].annotation
        models = list(getattr(inner, "__args__", [inner]))
    return list(models[0].model_fields)


def _shape_faults(bad: ValidationError) -> Iterator[SpecFault]:
    for error in bad.errors():
        location, value, why = error["loc"], error["input"], error["msg"]
        if error["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(location[-1]), _siblings(location), n=1)
            allowed = f"did you mean {close[0]!r}?" if close else "remove it; allowed here: "
            why = "unknown key: " + (allowed if close else allowed + ", ".join(_siblings(location)))
        elif error["type"].startswith("union_tag"):
            value, why = None, f"missing or unknown: use {' or '.join(TAGS[str(location[0])])}"
            location = (*location, "name")
        elif error["type"] == "missing":
            value, why = None, "missing: this key is required"
        elif error["type"] == "string_type":
            why = "not a string: put it in quotes, like '1.20.2'"
        yield _path(location), value, why.removeprefix("Value error, ")


def _refuse(source: str, faults: list[SpecFault]) -> SpecError:
    def line(path: str, value: Any, why: str) -> str:
        shown = "" if value is None else f" = {str(value)[:60]!r}"
        return f"{source}: {path}{shown}: {why}"

    shown = [line(*fault) for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        shown.append(f"{source}: (top): and {len(faults) - SHOWN_FAULTS} more")
    return SpecError(
        brief=f"{source}: {len(faults)} fault{'s' * (len(faults) > 1)} in the lab spec",
        details="\n".join(shown),
        hint="Fix these and run the command again; nothing was changed."
        " `kubelab spec schema` prints all keys.",
    )


def _as_mapping(data: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _refuse(source, [("(top)", data, "not a mapping: a spec is made of `key: value`")])
    return data


def parse_spec(data: Any, source: str, offers: Offers) -> LabSpec:
    """Turn the data of a YAML file into a LabSpec; ``source`` names the spec in messages.

    Raises:
        SpecError: the spec is refused; lists every fault.
    """
    try:
        spec = LabSpec.model_validate(migrated(_as_mapping(data, source), source))
    except ValidationError as bad:
        raise _refuse(source, list(_shape_faults(bad))) from None
    if faults := faults_of(spec, offers(spec.artifacts)):
        raise _refuse(source, faults)
    return spec


def read_spec(path: Path, offers: Offers) -> LabSpec:
    """Read a spec from a YAML file.

    Raises:
        SpecError: the file cannot be read, is not valid YAML, or ``parse_spec`` refuses it.
    """
    return parse_spec(load_yaml(path), str(path), offers)


@dataclass(frozen=True)
class StoredSpec:
    """The spec that a lab was made from, and its keys that this kubelab does not know."""

    spec: LabSpec
    unknown: tuple[str, ...] = ()


def _without(data: Any, location: tuple[int | str, ...]) -> Any:
    """``data`` without the key at ``location``; tags of unions in the location are skipped."""
    key, *rest = location
    if isinstance(data, list) and isinstance(key, int):
        return [_without(x, (*rest,)) if i == key and rest else x for i, x in enumerate(data)]
    if not isinstance(data, Mapping):
        return data
    if key not in data:
        return _without(data, (*rest,)) if rest else data
    if rest:
        return {**data, key: _without(data[key], (*rest,))}
    return {k: v for k, v in data.items() if k != key}


def read_stored(path: Path) -> StoredSpec:
    """Read the stored spec of an existing lab without checking it against the catalogue.

    Unknown keys are left out, and defaults replace invalid values. So this kubelab can handle a
    lab that another version made.

    Raises:
        SpecError: the file is damaged: a required key is missing.
    """
    data = migrated(_as_mapping(load_yaml(path), str(path)), str(path))
    unknown: list[str] = []
    while True:
        try:
            return StoredSpec(LabSpec.model_validate(data), tuple(unknown))
        except ValidationError as bad:
            smaller = data
            for error in bad.errors():
                smaller = _without(smaller, error["loc"])
                unknown.append(_path(error["loc"]))
            if smaller == data:
                raise _refuse(str(path), list(_shape_faults(bad))) from None
            data = smaller
