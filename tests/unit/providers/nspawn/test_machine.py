"""The machine provider without machines: identity, files, and questions to the preflight."""

import shutil
from functools import partial
from ipaddress import IPv4Network

import pytest

from provisioner.errors import LabError
from provisioner.model import MachineImage, Node
from provisioner.providers.nspawn import machine, preflight
from provisioner.providers.nspawn.provider import MachineProvider, _EndedError
from provisioner.providers.ssh import SshAccess

NODE = Node("one", "worker", "10.77.0.10", 1, 512)


def provider(folder):
    return MachineProvider("lab", folder, [NODE], IPv4Network("10.77.0.0/24"), ())


def test_labs_of_one_name_in_two_folders_share_nothing_on_the_host(tmp_path):
    here, there = provider(tmp_path / "a/lab"), provider(tmp_path / "b/lab")
    assert here.label != there.label
    assert here.net.bridge != there.net.bridge
    assert here.net.table != there.net.table


def test_a_lab_is_the_same_by_whatever_way_its_folder_is_reached(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert provider(tmp_path / "link/lab").label == provider(tmp_path / "real/lab").label


@pytest.mark.parametrize("odd", ["my labs", "a,b", "a:b", "50%", 'a"b'])
def test_a_path_that_other_programs_would_misread_is_refused(tmp_path, odd):
    ok, detail, hint = preflight._folder(tmp_path / odd)
    assert not ok
    assert odd in detail
    assert "KUBELAB_HOME" in hint


def test_an_ordinary_path_is_fine(tmp_path):
    assert preflight._folder(tmp_path / "a_b-c.d/e@2+1")[0]


def test_machines_that_are_there_need_no_more_disk_and_memory(tmp_path):
    assert preflight._disk(tmp_path, 10**6)[0] is False
    assert preflight._disk(tmp_path, 0)[0]
    assert preflight._memory(10**6)[0] is False
    assert preflight._memory(0)[0]


def test_ssh_never_asks_on_the_terminal(tmp_path):
    words = SshAccess.of_lab(tmp_path).argv("10.77.0.10")
    assert "BatchMode=yes" in words
    assert "StrictHostKeyChecking=yes" in words
    assert "GlobalKnownHostsFile=/dev/null" in words


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen")
def test_a_machine_is_written_the_same_each_time_and_differs_from_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "uplink_mtu", lambda: 1400)

    def written(name):
        here = provider(tmp_path)
        plan = here._plan(Node(name, "worker", "10.77.0.10", 1, 512))
        line = machine.known_host(plan)
        image = MachineImage("root", tmp_path, {tmp_path / "sets": "/sets"})
        machine.prepare(plan, image, "ssh-ed25519 AAAA lab")
        return line, (plan.upper / "etc/machine-id").read_text(), plan

    line, machine_id, plan = written("one")
    assert line.startswith("10.77.0.10 ssh-ed25519 ")
    assert len(machine_id.strip()) == 32
    assert (line, machine_id) == written("one")[:2]
    assert machine_id != written("two")[1]
    assert (plan.upper / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert plan.mounts == {str(tmp_path / "sets"): "/sets"}
    assert plan.host_key.stat().st_mode & 0o777 == 0o600
    unit = (plan.upper / "etc/systemd/system/kubelab-machine.service").read_text()
    assert "10.77.0.10/24 dev host0" in unit
    assert "mtu 1400" in unit


@pytest.mark.parametrize(("ends", "starts"), [(1, 2), (2, 2)])
def test_a_machine_that_ends_at_its_first_start_is_started_once_more(
    ends, starts, tmp_path, monkeypatch
):
    here, made = provider(tmp_path), []

    def start(self, plan, group):
        made.append(plan.node.name)
        if len(made) <= ends:
            raise _EndedError("one: the machine ended")

    monkeypatch.setattr(MachineProvider, "_start", start)
    monkeypatch.setattr(machine, "prepare", lambda *_: None)
    monkeypatch.setattr(SshAccess, "public", "ssh-ed25519 AAAA")
    act = partial(here._bring_up, here._plan(NODE), MachineImage("", tmp_path), lambda _: None)
    if ends < starts:
        act()
    else:
        with pytest.raises(LabError, match="ended"):
            act()
    assert made == ["one"] * starts


def test_ssh_waits_longer_for_an_emulated_machine(tmp_path):
    assert "ConnectTimeout=5" in SshAccess.of_lab(tmp_path).argv("10.77.0.10")
    assert "ConnectTimeout=40" in SshAccess.of_lab(tmp_path, slowness=8).argv("10.77.0.10")
