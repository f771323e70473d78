"""Reading the catalogue's files and merging the overrides of a spec over them.

Every file of the role ``artifacts`` has one top-level key, ``artifacts_NAME``. A value with a
``kind`` is a component; the others are the sections of the catalogue.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from provisioner.catalog import names
from provisioner.catalog.consistency import faults_of
from provisioner.catalog.model import Catalog
from provisioner.errors import SpecError

FOLDER = Path(__file__).resolve().parents[2] / "roles/artifacts/defaults/main"
PREFIX = "artifacts_"


@cache
def catalogue_data() -> Mapping[str, Any]:
    """The catalogue's keys and values as in its files, without overrides."""
    merged: dict[str, Any] = {}
    for file in sorted(FOLDER.glob("*.yml")):
        merged |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return merged


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, Mapping)):
        return over
    keys = {**base, **over}
    return {k: _merged(base[k], over[k]) if k in base and k in over else keys[k] for k in keys}


def _is_component(value: Any) -> bool:
    return isinstance(value, Mapping) and "kind" in value


def _model_input(data: Mapping[str, Any]) -> dict[str, Any]:
    """The catalogue's data in the form of its model: sections without prefix, and components."""
    components = {key: value for key, value in data.items() if _is_component(value)}
    sections = {
        key.removeprefix(PREFIX): value for key, value in data.items() if key not in components
    }
    return {**sections, "components": components}


def _key_of(location: tuple[int | str, ...]) -> str:
    """The key path of a fault, as it is written in overrides."""
    first, *rest = map(str, location)
    return ".".join(rest) if first == "components" else ".".join([f"{PREFIX}{first}", *rest])


def refusal(faults: list[str]) -> SpecError:
    """The error for invalid overrides; each fault begins with its key path."""
    return SpecError(
        "artifacts.overrides does not fit the catalogue",
        "\n".join(f"artifacts.overrides.{fault}" for fault in faults),
        f"All keys of the catalogue are in {FOLDER}.",
    )


def load_catalog(overrides: Mapping[str, Any]) -> Catalog:
    """Read the catalogue and merge ``overrides`` (the catalogue's keys, at any depth) over it.

    An override under a new key can add a component.

    Raises:
        SpecError: an override is invalid; names its key path.
    """
    data = _merged(dict(catalogue_data()), overrides)
    if faults := list(names.faults_of(data)):
        raise refusal(faults)
    try:
        catalog = Catalog.model_validate(_model_input(data))
        faults = list(faults_of(catalog))
    except ValidationError as bad:
        faults = [f"{_key_of(e['loc'])}: {e['msg']}" for e in bad.errors()]
    if faults:
        raise refusal(faults)
    return catalog
