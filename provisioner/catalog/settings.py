"""What the settings and the checks of a component may have.

A new component of a kind needs no Python: what differs between two of them is a fact here. Kinds
without a model have any settings.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from provisioner.catalog.model import Component, Part
from provisioner.model import Kind
from provisioner.spec.fields import Label

# kubectl of this host runs the checks: questions to the API alone, and no option that names a file
# of this host, such as a kubeconfig, which may name a program.
QUESTIONS = frozenset(
    ("get", "describe", "wait", "logs", "top", "version", "api-resources", "api-versions")
)
OPTIONS = frozenset(
    (
        *("-n", "--namespace", "-A", "--all-namespaces", "-l", "--selector", "--field-selector"),
        *("-o", "--output", "--no-headers", "--show-labels", "--ignore-not-found", "--raw"),
        *("-c", "--container", "--tail", "--since", "--for", "--timeout", "--request-timeout"),
    )
)


class PodNetwork(Part):
    """The settings of a component of the kind ``cni``."""

    cni_versions: list[str] = Field(
        default=["0.3.1"], min_length=1, description="Versions of CNI of its plugin, oldest first"
    )
    pods: bool = Field(
        default=True, description="It has a DaemonSet in kube-system with the label kubelab/cni"
    )
    network_policy: bool = Field(default=False, description="It enforces NetworkPolicies")


def _template(value: str) -> str:
    if not value.endswith(".j2") or (value != Path(value).name and not value.startswith("/")):
        raise ValueError("not a template: name a file of roles/addon/templates, or /PATH, with .j2")
    return value


class Addon(Part):
    """The settings of a component of the kind ``addon``; its template may read more of them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    template: Annotated[str, AfterValidator(_template)]
    namespace: Label
    wait_for: list[str] = Field(default=[])


MODELS: Mapping[Kind, type[Part]] = {"cni": PodNetwork, "addon": Addon}


def _setting_faults(component: Component) -> Iterator[str]:
    model = MODELS.get(component.kind)
    if model is None:
        return
    try:
        model.model_validate(component.settings, strict=True)
    except ValidationError as bad:
        for error in bad.errors():
            path = ".".join(map(str, ("settings", *error["loc"])))
            known = f"; its keys are {', '.join(model.model_fields)}"
            yield f"{path}: {error['msg']}{known if error['type'] == 'extra_forbidden' else ''}"


def _why_no_question(words: Sequence[str]) -> str:
    """Why the arguments of kubectl are no question to the API; empty if they are one."""
    if not words or words[0] not in QUESTIONS:
        return f"not a question: begin with {', '.join(sorted(QUESTIONS))}"
    for word in words[1:]:
        # The letter A has no value, so more letters after it are more options.
        name = word.partition("=")[0] if word.startswith(("--", "-A")) else word[:2]
        if word.startswith("-") and name not in OPTIONS:
            return f"{word}: this option is not for a check: use {', '.join(sorted(OPTIONS))}"
        if "-file=" in word:
            return f"{word}: a check reads no file of this host"
    return ""


def faults_of(key: str, component: Component) -> Iterator[str]:
    """Settings and checks that do not fit, each with its key path."""
    for fault in _setting_faults(component):
        yield f"{key}.{fault}"
    for index, check in enumerate(component.checks):
        if why := _why_no_question(check.kubectl):
            yield f"{key}.checks[{index}].kubectl: {why}"
