"""Machine containers, held to what every provider must do; and what only they can get wrong."""

import shutil
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import root_step
from provisioner.artifacts.store import Store
from provisioner.catalog.load import load_catalog
from provisioner.lab import cache
from provisioner.model import MachineImage, Node
from provisioner.providers.nspawn.provider import MachineProvider
from tests.contract.provider import DiskContract, Subject
from tests.hosts import host_state, settled_changes
from tests.labs import HOME

pytestmark = pytest.mark.root

NODES = [
    Node("one", "control-plane", "10.84.0.10", 1, 512),
    Node("two", "worker", "10.84.0.11", 1, 512),
]


def image() -> MachineImage:
    step = root_step(Workshop(load_catalog({}), cache()))
    root = Store(cache() / "built").path(step.name, step.key) / "tree"
    assert root.is_dir(), "run `kubelab artifacts build` first"
    return MachineImage("root", root)


def provider(folder: Path = HOME / "contract") -> MachineProvider:
    inside = (IPv4Network("10.244.0.0/16"),)
    return MachineProvider("prov", folder, NODES, IPv4Network("10.84.0.0/24"), inside)


class TestMachines(DiskContract):
    @pytest.fixture
    def subject(self):
        before, found = host_state(), provider()
        yield Subject(found, NODES, image())
        found.destroy(print)
        assert settled_changes(before) == []
        assert not list(found.folder.glob("*"))
        shutil.rmtree(found.folder, ignore_errors=True)
