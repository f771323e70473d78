"""The order of work. Read these lists once, and you know the product."""

from collections.abc import Mapping
from typing import Any

from provisioner.phases.artifacts import BuildArtifacts, TakeArtifacts
from provisioner.phases.base import Phase
from provisioner.phases.cluster import RetireNetwork, RunPlaybook, SetUpCluster
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.phases.inventory import WriteInventory
from provisioner.phases.machines import CreateMachines, DestroyMachines, SaveSpec, StopMachines
from provisioner.phases.nodes import WaitForNodes, WakeControlPlane
from provisioner.phases.request import CheckRequest
from provisioner.phases.snapshots import RestoreSnapshot, SaveSnapshot

UP: list[Phase] = [
    CheckRequest(),
    CheckHost(),
    InstallHostPackages(),
    SaveSpec(),
    BuildArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WriteInventory(),
    SetUpCluster(),
]

RECREATE_NETWORK: list[Phase] = [
    CheckRequest(recreate=True),
    CheckHost(),
    InstallHostPackages(),
    SaveSpec(),
    BuildArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WriteInventory(),
    RetireNetwork(),
    SetUpCluster(),
]

BUILD: list[Phase] = [
    InstallHostPackages(),
    BuildArtifacts(),
]

STOP: list[Phase] = [
    StopMachines(),
]

START: list[Phase] = [
    CheckHost(),
    TakeArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WaitForNodes(),
]

DESTROY: list[Phase] = [
    DestroyMachines(),
]


def save_recipe(name: str) -> list[Phase]:
    """Keep a snapshot."""
    return [SaveSnapshot(name)]


def restore_recipe(name: str) -> list[Phase]:
    """Go back to a snapshot, until the cluster works again."""
    return [RestoreSnapshot(name), WaitForNodes()]


def drain_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Move the pods of a node away."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("drain.yml", "drain", "Drain", node, variables),
    ]


def uncordon_recipe(node: str) -> list[Phase]:
    """Let pods back onto a node."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("uncordon.yml", "uncordon", "Uncordon", node),
    ]


def reset_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Take a node out of the cluster."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("reset.yml", "reset", "Reset", node, variables),
    ]


def rejoin_recipe(node: str) -> list[Phase]:
    """Bring a node into the cluster, whatever it is now."""
    return [
        TakeArtifacts(for_roles=True),
        CreateMachines(),
        WriteInventory(),
        RunPlaybook("join.yml", "join", "Join", node),
    ]
