"""Filters that read the components of an artifact set's manifest, and that quote values."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible.errors import AnsibleFilterError

Component = dict[str, Any]


def images(components: list[Component]) -> dict[str, str]:
    """References of the images of all components, by name."""
    return {
        name: image["reference"]
        for component in components
        for name, image in component.get("images", {}).items()
    }


def of_family(components: list[Component], key: str, facts: dict[str, Any]) -> Any:
    """All packages, or all repositories, of the components for a distribution.

    The keys are an os_family with or without the major version. The longer one wins.
    """
    if key not in ("packages", "repositories"):
        raise AnsibleFilterError(f"kubelab_of_family: {key} is neither packages nor repositories")
    family = facts["os_family"]
    names = (f"{family}-{facts.get('distribution_major_version', '')}", family)
    found = [
        next((by_family[name] for name in names if name in by_family), None)
        for by_family in (component.get(key, {}) for component in components)
    ]
    if key == "packages":
        return list(dict.fromkeys(package for packages in found for package in packages or []))
    return {name: value for part in found for name, value in (part or {}).items()}


def word(value: str) -> str:
    """A value as one word of a command in a unit of systemd, whatever is in it."""
    text = str(value)
    if re.fullmatch(r"[\w@:/.,=+-]+", text, re.ASCII):
        return text
    # systemd reads the escapes of JSON; it also expands specifiers and variables.
    return json.dumps(text, ensure_ascii=False).replace("%", "%%").replace("$", "$$")


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Any]:
        """All of them."""
        return {
            "kubelab_images": images,
            "kubelab_of_family": of_family,
            "kubelab_word": word,
        }
