"""What the settings of a component may have, by its kind. Kinds that are not here have any.

A new component of these kinds needs no Python: what differs between two of them is a fact here.
"""

from collections.abc import Iterator, Mapping

from pydantic import Field, ValidationError

from provisioner.catalog.model import Component, Part
from provisioner.model import Kind


class PodNetwork(Part):
    """The settings of a component of the kind ``cni``."""

    cni_versions: list[str] = Field(
        default=["0.3.1"], min_length=1, description="Versions of CNI of its plugin, oldest first"
    )
    pods: bool = Field(
        default=True, description="It has a DaemonSet in kube-system with the label kubelab/cni"
    )
    network_policy: bool = Field(default=False, description="It enforces NetworkPolicies")


MODELS: Mapping[Kind, type[Part]] = {"cni": PodNetwork}


def faults_of(key: str, component: Component) -> Iterator[str]:
    """Settings that do not fit the kind of a component, each with its key path."""
    model = MODELS.get(component.kind)
    if model is None:
        return
    try:
        model.model_validate(component.settings, strict=True)
    except ValidationError as bad:
        for error in bad.errors():
            path = ".".join(map(str, (key, "settings", *error["loc"])))
            known = f"; its keys are {', '.join(model.model_fields)}"
            yield f"{path}: {error['msg']}{known if error['type'] == 'extra_forbidden' else ''}"
