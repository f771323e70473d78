"""Providers that need no host of their own, held to what every provider must do."""

from ipaddress import IPv4Network

import pytest

from provisioner.model import MachineImage, Node
from provisioner.providers.libvirt import bootstrap_access, hypervisor, preflight, provider
from provisioner.providers.libvirt.provider import VagrantProvider
from provisioner.spec import VagrantOptions
from provisioner.spec.shape import BoxChoice
from tests.contract.provider import DiskContract, SnapshotContract, Subject
from tests.fakes import FakeMachine, FakeProvider

NODES = [
    Node("one", "control-plane", "10.84.0.10", 1, 512),
    Node("two", "worker", "10.84.0.11", 1, 512),
]


class TestFake(DiskContract):
    @pytest.fixture
    def subject(self, tmp_path):
        return Subject(FakeProvider(NODES, tmp_path / "lab"), NODES, MachineImage("x", tmp_path))


DOMAIN = """\
<domain type="test"><name>{prefix}{node}</name><description>{mark} {node}</description>
<memory>524288</memory><os><type>hvm</type></os></domain>"""


class FakeVagrant:
    """Makes domains as vagrant does, at libvirt's driver for tests."""

    def __init__(self, hypervisor, folder):
        self.hypervisor, self.log = hypervisor, folder / "vagrant.log"

    def up(self, names, listen, seconds):
        for name in names:
            if self.hypervisor.domain(name) is None:
                values = {"prefix": self.hypervisor.prefix, "mark": self.hypervisor.mark}
                self.hypervisor.link.defineXML(DOMAIN.format(node=name, **values)).create()
        return []

    def keys(self):
        return {node.name: None for node in NODES}

    def finished_ids(self):
        return {domain.UUIDString() for domain in self.hypervisor.own_domains()}

    def destroy_all(self):
        pass


class TestLibvirt(SnapshotContract):
    """Domains by the driver for tests; no vagrant, no SSH, and so no disks."""

    @pytest.fixture
    def subject(self, tmp_path, libvirt_for_tests, monkeypatch):
        options = VagrantOptions.model_construct(
            name="vagrant", box=BoxChoice(name="debian12"), driver="qemu", uri=libvirt_for_tests
        )
        found = VagrantProvider(
            "prov", tmp_path / "lab", NODES, IPv4Network("10.84.0.0/24"), options, tmp_path
        )
        found.__dict__["vagrant"] = FakeVagrant(found.hypervisor, tmp_path)
        self.behind(found, monkeypatch)
        return Subject(found, NODES, MachineImage("box", tmp_path / "box"))

    def behind(self, found, monkeypatch):
        """Put machines of the fake behind SSH; they run as their domains do."""
        inside = {node.address: FakeMachine(node.name) for node in NODES}

        def execute(access, address, argv, *, check=True, seconds=0):
            machine = inside[address]
            machine.running = found.hypervisor.facts(machine.name).state == "running"
            if argv[0] == "date":
                return None
            return machine.exec(argv, check=check)

        def let_in(node, key, access):
            inside[node.address] = FakeMachine(node.name)
            return f"{node.address} ssh-ed25519 AAAA\n"

        monkeypatch.setattr(provider.SshAccess, "exec", execute)
        monkeypatch.setattr(provider.SshAccess, "wait", lambda *_: None)
        monkeypatch.setattr(bootstrap_access, "let_root_in", let_in)
        monkeypatch.setattr(provider, "ensure_service", lambda uri: None)
        # The driver for tests knows no firmware, and refuses what is said of it.
        monkeypatch.setattr(hypervisor.libvirt, "VIR_DOMAIN_UNDEFINE_NVRAM", 0)
        monkeypatch.setattr(preflight, "routes_over", lambda network: iter(()))
