"""The order of work. Read these lists once, and you know the product."""

from provisioner.phases.artifacts import BuildArtifacts
from provisioner.phases.base import Phase
from provisioner.phases.cluster import RunPlaybook, WaitForNodes, WriteInventory
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.phases.machines import CreateMachines, DestroyMachines, SaveSpec, StopMachines
from provisioner.phases.snapshots import RestoreSnapshot, SaveSnapshot

UP: list[Phase] = [
    InstallHostPackages(),
    CheckHost(),
    SaveSpec(),
    BuildArtifacts(),
    CreateMachines(),
    WriteInventory(),
    RunPlaybook("site.yml"),
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
    BuildArtifacts(),
    CreateMachines(),
    WaitForNodes(),
]


def save_recipe(name: str) -> list[Phase]:
    """Keep a snapshot."""
    return [SaveSnapshot(name)]


def restore_recipe(name: str) -> list[Phase]:
    """Go back to a snapshot, until the cluster works again."""
    return [RestoreSnapshot(name), WaitForNodes()]


DESTROY: list[Phase] = [
    DestroyMachines(),
]
