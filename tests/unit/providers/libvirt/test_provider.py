"""What vagrant says, what a console holds, and what both become for the user."""

import os
import time

import pytest

from provisioner.errors import LabError
from provisioner.providers.libvirt import vagrantcli
from provisioner.providers.libvirt.diagnosis import console_tail, why_no_answer
from provisioner.providers.libvirt.hypervisor import DomainFacts
from provisioner.providers.libvirt.vagrantcli import Vagrant


def told(tmp_path, *lines):
    events, last = [], {}
    for line in lines:
        Vagrant(tmp_path, tmp_path / "home")._tell(line, last, events.append)
    return events, last


def test_a_machine_that_waits_is_told_by_its_name(tmp_path):
    events, last = told(
        tmp_path,
        "Bringing machine 'one' up with 'libvirt' provider...\n",
        "==> one:  -- Cpus:              2\n",
        "==> one: Waiting for domain to get an IP address...\n",
        "    one: SSH auth method: private key\n",
    )
    assert [event.host for event in events] == ["one", "one"]
    assert events[0].detail == "Waiting for domain to get an IP address..."
    assert last == {"one": "SSH auth method: private key"}


class Hypervisor:
    prefix = "kubelab-x-"

    def facts(self, node):
        return DomainFacts(self.prefix + node, "running", ours=True, memory_mib=1, disk_mib=1)

    def bridge(self, network):
        return "virbr7"

    def leases(self):
        return []


def test_a_console_is_shown_without_what_moves_the_cursor(tmp_path):
    text = "\x1b[H\x1b[J\x1b[1;1HBooting...\x1b[0;32m OK \x1b[0m\r\n\r\nkernel panic\r\n"
    (tmp_path / "kubelab-x-one.console").write_bytes(text.encode())
    said = console_tail(Hypervisor(), "one", tmp_path)
    assert "Booting... OK \nkernel panic" in said
    assert "\x1b" not in said


def test_no_address_ends_in_a_diagnosis(tmp_path):
    error = why_no_answer(Hypervisor(), "one", tmp_path, tmp_path / "vagrant.log")
    assert "one" in error.brief
    for word in ("console", "DHCP leases", "virbr7", "vagrant.log"):
        assert word in error.details
    assert "kubelab up" in error.hint


def test_a_host_without_nft_still_ends_in_a_diagnosis(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    error = why_no_answer(Hypervisor(), "one", tmp_path, tmp_path / "vagrant.log")
    assert "nft: no such program" in error.details
    assert "DHCP leases" in error.details


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program of this text in vagrant's place; what it starts ends with it."""

    def put(text):
        (tmp_path / "bin").mkdir()
        file = tmp_path / "bin/vagrant"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return Vagrant(tmp_path, tmp_path / "home")

    return put


UPLOAD = 'echo "==> one: Uploading base box image as volume"'
STARTS = 'echo "==> one: Starting domain."'


def test_a_vagrant_that_hangs_is_given_up(program, monkeypatch):
    monkeypatch.setattr(vagrantcli, "SILENCE", 1)
    vagrant = program(f"{UPLOAD}; exec sleep 60")
    begin = time.monotonic()
    with pytest.raises(LabError, match="did not end within 1 s") as caught:
        vagrant.up(["one"], print, seconds=40)
    assert time.monotonic() - begin < 20
    assert "Uploading base box" in caught.value.details
    assert str(vagrant.log) in caught.value.details
    assert "kubelab up" in caught.value.hint


def test_an_upload_may_take_as_long_as_it_moves(program, monkeypatch):
    monkeypatch.setattr(vagrantcli, "SILENCE", 2)
    moves = f"for _ in $(seq 6); do {UPLOAD}; sleep 0.5; done"
    assert program(f"{moves}; {STARTS}").up(["one"], print, seconds=1) == []


def test_the_time_of_machines_begins_when_the_last_of_them_starts(program):
    wait = 'echo "==> one: Waiting for domain to get an IP address..."'
    other = STARTS.replace("one", "two")
    slow = f"{STARTS}; sleep 1.2; {other}; sleep 1.2; {wait}"
    assert program(f"{slow}").up(["one", "two"], print, seconds=2) == []


def test_what_a_machine_says_gives_it_no_more_time(program):
    says = 'echo "==> one: Waiting for machine to boot"'
    text = f"{STARTS}; for _ in $(seq 60); do {says}; sleep 0.5; done"
    begin = time.monotonic()
    assert program(text).up(["one"], print, seconds=1) == ["one"]
    assert time.monotonic() - begin < 20


def test_machines_that_do_not_answer_are_named_when_time_is_up(program):
    waits = 'echo "==> one: Waiting for domain to get an IP address..."'
    answers = 'echo "    two: SSH auth method: private key"; echo "==> three: Machine booted"'
    vagrant = program(f"{STARTS}; {waits}; {answers}; exec sleep 60")
    assert vagrant.up(["one", "two", "three"], print, seconds=1) == ["one", "two"]


def test_keys_that_do_not_come_end_in_words(program, monkeypatch):
    monkeypatch.setattr(vagrantcli, "SECONDS", 1)
    with pytest.raises(LabError, match="vagrant ssh-config did not end within 1 s"):
        program("exec sleep 60").keys()


def test_what_failed_is_quoted_and_not_where_in_ruby(program):
    frame = "\tfrom /usr/share/gems/vagrant/action/warden.rb:48:in \\`call'"
    cause = "-accel kvm: failed to initialize kvm: Permission denied"
    vagrant = program(f'echo "{cause}"; for _ in $(seq 40); do printf "{frame}\\n"; done; exit 1')
    with pytest.raises(LabError) as caught:
        vagrant.up(["one"], print, seconds=30)
    assert cause in caught.value.details
    assert "warden.rb" in vagrant.log.read_text()
    assert "warden.rb" not in caught.value.details
    assert "provider.driver to qemu" in caught.value.hint


def test_a_vagrant_that_fails_is_quoted(program):
    vagrant = program('echo "==> one: No space left on device"; exit 3')
    with pytest.raises(LabError, match=r"failed \(3\)") as caught:
        vagrant.up(["one"], print, seconds=30)
    assert "No space left" in caught.value.details
