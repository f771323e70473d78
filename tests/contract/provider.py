"""What every provider must do. A test class of each provider inherits this and has its subject."""

from dataclasses import dataclass, field

import pytest

from provisioner.errors import CommandError, LabError, UsageError
from provisioner.model import Access, Event, MachineImage, Node, Traits
from provisioner.providers.base import Provider


@dataclass
class Subject:
    """A provider of two machines that are not made yet, and what they are made from."""

    provider: Provider
    nodes: list[Node]
    image: MachineImage
    events: list[Event] = field(default_factory=list)

    def create(self, *nodes: Node) -> None:
        self.provider.create(nodes or self.nodes, self.image, self.events.append)

    def stop(self, *nodes: Node) -> None:
        self.provider.stop(nodes or self.nodes, self.events.append)

    def states(self) -> list[str]:
        return [machine.state for machine in self.provider.machines()]

    def has(self, node: Node, path: str) -> bool:
        return self.provider.exec(node, ["test", "-e", path], check=False).code == 0

    def changed(self) -> list[tuple[str, str]]:
        """What was changed since this was asked last: task and host."""
        found = [(event.task, event.host) for event in self.events if event.status == "changed"]
        self.events.clear()
        return found


class ProviderContract:
    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    def test_it_says_what_is_peculiar_about_its_machines(self, subject):
        assert isinstance(subject.provider.name, str)
        traits = subject.provider.traits
        assert isinstance(traits, Traits)
        assert traits.slowness >= 1

    def test_asking_this_host_makes_nothing(self, subject):
        findings = subject.provider.probe()
        assert len({finding.name for finding in findings}) == len(findings) > 0
        assert all(finding.hint for finding in findings if not finding.ok)
        assert subject.states() == ["absent", "absent"]

    def test_machines_are_told_in_the_order_of_the_spec(self, subject):
        told = [(m.name, m.address, m.state) for m in subject.provider.machines()]
        assert told == [(node.name, node.address, "absent") for node in subject.nodes]

    def test_what_was_created_runs_and_does_what_it_is_told(self, subject):
        subject.create()
        assert subject.states() == ["running", "running"]
        for node in subject.nodes:
            assert subject.provider.exec(node, ["hostname"]).stdout == f"{node.name}\n"

    def test_a_command_that_fails_is_an_error_unless_its_code_is_wanted(self, subject):
        subject.create()
        assert not subject.has(subject.nodes[0], "/nowhere")
        with pytest.raises(CommandError):
            subject.provider.exec(subject.nodes[0], ["test", "-e", "/nowhere"])

    def test_creating_again_changes_nothing(self, subject):
        subject.create()
        subject.provider.exec(subject.nodes[0], ["touch", "/run/since-boot"])
        subject.changed()
        subject.create()
        assert subject.changed() == []
        assert subject.has(subject.nodes[0], "/run/since-boot")

    def test_one_machine_alone_can_be_created(self, subject):
        one, two = subject.nodes
        subject.create(one)
        assert subject.states()[0] == "running"
        subject.create(two)
        assert subject.states() == ["running", "running"]

    def test_stopped_machines_keep_their_disks_and_start_again(self, subject):
        subject.create()
        subject.provider.exec(subject.nodes[0], ["touch", "/root/kept"])
        subject.stop()
        assert subject.states() == ["stopped", "stopped"]
        subject.create()
        assert subject.states() == ["running", "running"]
        assert subject.has(subject.nodes[0], "/root/kept")

    def test_one_machine_alone_can_be_stopped(self, subject):
        subject.create()
        subject.stop(subject.nodes[1])
        assert subject.states() == ["running", "stopped"]

    def test_stopping_again_is_no_error(self, subject):
        subject.stop()
        subject.create()
        subject.stop()
        subject.stop()
        assert subject.states() == ["stopped", "stopped"]

    def test_access_is_by_a_key_and_pinned_host_keys(self, subject):
        subject.create()
        access = subject.provider.access
        assert isinstance(access, Access)
        assert access.user
        assert access.key.is_file()
        pinned = {line.split()[0] for line in access.known_hosts.read_text().splitlines()}
        assert pinned == {node.address for node in subject.nodes}
        words = subject.provider.ssh(subject.nodes[0])
        assert words[0] == "ssh"
        assert words[-1] == f"{access.user}@{subject.nodes[0].address}"
        assert "StrictHostKeyChecking=yes" in words

    def test_destroy_leaves_nothing_and_can_be_repeated(self, subject):
        subject.create()
        subject.provider.destroy(subject.events.append)
        assert subject.states() == ["absent", "absent"]
        assert not subject.provider.access.key.exists()
        subject.provider.destroy(subject.events.append)

    def test_what_was_destroyed_can_be_created(self, subject):
        subject.create()
        subject.provider.exec(subject.nodes[0], ["touch", "/root/before"])
        subject.provider.destroy(subject.events.append)
        subject.create()
        assert subject.states() == ["running", "running"]
        assert not subject.has(subject.nodes[0], "/root/before")


class SnapshotContract(ProviderContract):
    """What every provider must do that has snapshots."""

    @pytest.fixture
    def store(self, subject):
        store = subject.provider.snapshots
        assert store is not None
        return store

    def save(self, subject, store, name):
        store.save(name, subject.events.append)

    def restore(self, subject, store, name):
        store.restore(name, subject.events.append)

    def test_there_are_none_at_first(self, store):
        assert store.list() == []

    def test_machines_that_run_go_on_after_a_save(self, subject, store):
        subject.create()
        subject.provider.exec(subject.nodes[1], ["touch", "/run/since-boot"])
        self.save(subject, store, "one")
        assert subject.states() == ["running", "running"]
        assert subject.has(subject.nodes[1], "/run/since-boot")
        (found,) = store.list()
        assert (found.name, found.running) == ("one", True)
        assert found.made > 1_600_000_000

    def test_a_restore_brings_all_machines_back(self, subject, store):
        subject.create()
        self.save(subject, store, "one")
        subject.stop()
        self.restore(subject, store, "one")
        assert subject.states() == ["running", "running"]
        assert subject.provider.exec(subject.nodes[0], ["hostname"]).code == 0

    def test_what_was_stopped_is_stopped_after_a_restore(self, subject, store):
        subject.create()
        subject.stop()
        self.save(subject, store, "off")
        assert subject.states() == ["stopped", "stopped"]
        assert [snapshot.running for snapshot in store.list()] == [False]
        subject.create()
        self.restore(subject, store, "off")
        assert subject.states() == ["stopped", "stopped"]

    def test_a_name_is_taken_once(self, subject, store):
        subject.create()
        self.save(subject, store, "one")
        with pytest.raises(LabError, match="there is a snapshot 'one' already"):
            self.save(subject, store, "one")
        assert len(store.list()) == 1

    def test_several_are_listed_and_each_can_be_deleted(self, subject, store):
        subject.create()
        for name in ("first", "second"):
            self.save(subject, store, name)
        assert [snapshot.name for snapshot in store.list()] == ["first", "second"]
        store.delete("first")
        assert [snapshot.name for snapshot in store.list()] == ["second"]
        store.delete("second")
        assert store.list() == []

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", ".x", "a b", "ä", "x" * 65])
    def test_a_name_that_is_none_is_refused(self, subject, store, name):
        with pytest.raises(UsageError):
            self.save(subject, store, name)
        assert store.list() == []

    def test_an_unknown_one_is_refused(self, subject, store):
        subject.create()
        with pytest.raises(LabError, match="no snapshot 'none'"):
            self.restore(subject, store, "none")
        with pytest.raises(LabError, match="no snapshot 'none'"):
            store.delete("none")
        assert subject.states() == ["running", "running"]

    def test_snapshots_go_with_the_lab(self, subject, store):
        subject.create()
        self.save(subject, store, "one")
        subject.provider.destroy(subject.events.append)
        assert store.list() == []
        subject.create()
        assert store.list() == []


class DiskContract(SnapshotContract):
    """What snapshots must do where machines have disks; libvirt's driver for tests has none."""

    def test_a_restore_brings_the_disks_of_all_machines_back(self, subject, store):
        subject.create()
        for node in subject.nodes:
            subject.provider.exec(node, ["touch", "/root/before"])
        self.save(subject, store, "one")
        for node in subject.nodes:
            subject.provider.exec(node, ["rm", "/root/before"])
            subject.provider.exec(node, ["touch", "/root/after"])
        for _ in range(2):
            self.restore(subject, store, "one")
            for node in subject.nodes:
                assert subject.has(node, "/root/before")
                assert not subject.has(node, "/root/after")
