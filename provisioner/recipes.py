"""The order of work. Read these lists once, and you know the product."""

from collections.abc import Mapping
from typing import Any

from provisioner.phases.artifacts import BuildArtifacts
from provisioner.phases.base import Phase
from provisioner.phases.cluster import (
    RetireNetwork,
    RunPlaybook,
    SetUpCluster,
    WaitForNodes,
    WakeControlPlane,
    WriteInventory,
)
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.phases.machines import CreateMachines, DestroyMachines, SaveSpec, StopMachines
from provisioner.phases.snapshots import RestoreSnapshot, SaveSnapshot

UP: list[Phase] = [
    InstallHostPackages(),
    CheckHost(),
    SaveSpec(),
    BuildArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WriteInventory(),
    SetUpCluster(),
]

RECREATE_NETWORK: list[Phase] = [*UP[:-1], RetireNetwork(), UP[-1]]

BUILD: list[Phase] = [
    InstallHostPackages(),
    BuildArtifacts(),
]

STOP: list[Phase] = [
    StopMachines(),
]

START: list[Phase] = [
    CheckHost(),
    BuildArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WaitForNodes(),
]


def save_recipe(name: str) -> list[Phase]:
    """Keep a snapshot."""
    return [SaveSnapshot(name)]


def restore_recipe(name: str) -> list[Phase]:
    """Go back to a snapshot, until the cluster works again."""
    return [RestoreSnapshot(name), WaitForNodes()]


def drain_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Move the pods of a node away."""
    return [RunPlaybook("drain.yml", "drain", "Drain", node, variables)]


def uncordon_recipe(node: str) -> list[Phase]:
    """Let pods back onto a node."""
    return [RunPlaybook("uncordon.yml", "uncordon", "Uncordon", node)]


def reset_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Take a node out of the cluster."""
    return [RunPlaybook("reset.yml", "reset", "Reset", node, variables)]


def rejoin_recipe(node: str) -> list[Phase]:
    """Bring a node into the cluster, whatever it is now."""
    return [
        BuildArtifacts(),
        CreateMachines(),
        RunPlaybook("join.yml", "join", "Join", node),
    ]


DESTROY: list[Phase] = [
    DestroyMachines(),
]
