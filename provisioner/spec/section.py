"""What all parts of a lab spec have in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

OWN_KEYS = "x-"


class Section(BaseModel):
    """Base class of the spec's parts: refuses unknown keys and does not convert values.

    Keys that begin with ``x-`` are the user's, such as for anchors of YAML.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        str_max_length=4096,
        json_schema_extra={"patternProperties": {f"^{OWN_KEYS}": {}}},
    )

    @model_validator(mode="before")
    @classmethod
    def _without_own_keys(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {k: v for k, v in data.items() if not str(k).startswith(OWN_KEYS)}
