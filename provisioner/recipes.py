"""The recipes: the phases of each command, in order."""

from collections.abc import Mapping
from typing import Any

from provisioner.phases.artifacts import BuildArtifacts, TakeArtifacts
from provisioner.phases.bake import PackBox
from provisioner.phases.base import Phase
from provisioner.phases.cluster import RetireNetwork, RunPlaybook, SetUpCluster
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.phases.inventory import WriteInventory
from provisioner.phases.machines import (
    CreateMachines,
    DestroyMachines,
    RequireMachines,
    SaveSpec,
    StopMachines,
)
from provisioner.phases.nodes import CompareNodes, WaitForDns, WaitForNodes, WakeControlPlane
from provisioner.phases.request import CheckRequest
from provisioner.phases.snapshots import RestoreSnapshot, SaveSnapshot

# From a spec to machines that run, with an inventory of them.
MACHINES: list[Phase] = [
    CheckHost(),
    InstallHostPackages(ask=True),
    SaveSpec(),
    BuildArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WriteInventory(),
]

UP: list[Phase] = [
    CheckRequest(),
    *MACHINES,
    SetUpCluster(),
    CompareNodes(),
    WaitForDns(),
]

RECREATE_NETWORK: list[Phase] = [
    CheckRequest(recreate=True),
    *MACHINES,
    RetireNetwork(),
    SetUpCluster(),
    CompareNodes(),
    WaitForDns(),
]

BUILD: list[Phase] = [
    InstallHostPackages(),
    BuildArtifacts(),
]

BAKE: list[Phase] = [
    CheckRequest(),
    *MACHINES,
    RunPlaybook("bake.yml", "bake", "Packages"),
    StopMachines(),
    PackBox(),
    DestroyMachines(),
]

STOP: list[Phase] = [
    StopMachines(),
]

START: list[Phase] = [
    CheckHost(),
    RequireMachines(),
    TakeArtifacts(),
    WakeControlPlane(),
    CreateMachines(),
    WaitForNodes(),
    WaitForDns(),
]

DESTROY: list[Phase] = [
    DestroyMachines(),
]


def save_recipe(name: str) -> list[Phase]:
    """Save a snapshot."""
    return [SaveSnapshot(name)]


def restore_recipe(name: str) -> list[Phase]:
    """Restore a snapshot, and wait for the nodes and DNS."""
    return [RestoreSnapshot(name), WaitForNodes(), WaitForDns()]


def drain_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Move the pods of a node to other nodes."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("drain.yml", "drain", "Drain", node, variables),
    ]


def uncordon_recipe(node: str) -> list[Phase]:
    """Allow pods on a node again."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("uncordon.yml", "uncordon", "Uncordon", node),
    ]


def reset_recipe(node: str, variables: Mapping[str, Any]) -> list[Phase]:
    """Remove a node from the cluster."""
    return [
        TakeArtifacts(for_roles=True),
        WriteInventory(),
        RunPlaybook("reset.yml", "reset", "Reset", node, variables),
    ]


def rejoin_recipe(node: str) -> list[Phase]:
    """Join a node to the cluster, from any state."""
    return [
        RequireMachines(),
        TakeArtifacts(for_roles=True),
        CreateMachines(),
        WriteInventory(),
        RunPlaybook("join.yml", "join", "Join", node),
    ]
