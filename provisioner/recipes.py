"""The order of work. Read these lists once, and you know the product."""

from provisioner.phases.artifacts import BuildArtifacts
from provisioner.phases.base import Phase
from provisioner.phases.cluster import RunPlaybook, WriteInventory
from provisioner.phases.host import CheckHost, InstallHostPackages
from provisioner.phases.machines import CreateMachines, DestroyMachines, SaveSpec

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

DESTROY: list[Phase] = [
    DestroyMachines(),
]
