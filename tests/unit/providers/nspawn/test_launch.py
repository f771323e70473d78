"""The script that starts a machine, with programs that only say what they are told."""

import os
import shutil
import stat
import subprocess

import pytest

from provisioner.providers.nspawn.machine import LAUNCH

# Each start ends with the next of the codes, and leaves a group.
NSPAWN = """#!/bin/sh
echo "start $*" >> "$TOLD"
[ ! -d "$GROUP/payload" ] || echo "groups of the last boot" >> "$TOLD"
mkdir -p "$GROUP/payload/kubepods"
read -r code < "$CODES" && sed -i 1d "$CODES"
exit "$code"
"""
SAYS = '#!/bin/sh\necho "$(basename "$0") $*" >> "$TOLD"\n'


@pytest.fixture
def launch(tmp_path):
    programs, group = tmp_path / "bin", tmp_path / "group"
    programs.mkdir()
    group.mkdir()
    for name, text in {"systemd-nspawn": NSPAWN, "mount": SAYS, "ip": SAYS}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    mkdir = f'#!/bin/sh\n[ "$2" = /run/systemd/nspawn ] || exec {shutil.which("mkdir")} "$@"\n'
    (programs / "mkdir").write_text(mkdir)
    (programs / "mkdir").chmod(stat.S_IRWXU)
    told = tmp_path / "told"

    def launch(*codes, **files):
        (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
        for name, text in files.items():
            (group / name.replace("__", ".")).write_text(text)
        env = {"TOLD": told, "CODES": tmp_path / "codes", "GROUP": group}
        words = ["lowerdir=/a", "/place", "vb-1", str(group), "--", "--boot", "--machine=1"]
        done = subprocess.run(
            ["sh", "-c", LAUNCH.read_text(), "machine", *words],
            env={"PATH": f"{programs}:{os.environ['PATH']}", **{k: str(v) for k, v in env.items()}},
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return done.returncode, told.read_text().splitlines()

    launch.group = group
    return launch


START = "start --boot --machine=1"


def test_a_machine_that_asks_for_a_reboot_is_started_again(launch):
    code, told = launch(133, 133, 0)
    assert code == 0
    assert [line for line in told if not line.startswith("mount")] == [
        *(START, "ip link delete vb-1"),
        *(START, "ip link delete vb-1"),
        START,
    ]
    # Its mounts stay.
    assert len([line for line in told if line.startswith("mount")]) == 2


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_machine_that_ends_otherwise_stays_ended(launch, code):
    assert launch(code)[0] == code
    assert (launch.group / "payload/kubepods").is_dir()


def test_what_a_boot_left_of_its_groups_is_gone_before_the_next(launch):
    code, told = launch(133, 3)
    assert code == 3
    assert "groups of the last boot" not in told


def test_a_group_of_version_2_has_no_process_of_its_own_while_it_has_controllers(launch):
    files = {"cgroup__controllers": "cpu memory\n", "cgroup__subtree_control": "cpu memory\n"}
    assert launch(133, 0, **files)[0] == 0
    # The launcher waits in a group of its own, and takes the controllers back for the next boot.
    assert (launch.group / "launcher/cgroup.procs").read_text().strip().isdigit()
    assert (launch.group / "cgroup.procs").read_text() == "0\n"
    assert (launch.group / "cgroup.subtree_control").read_text() == "-memory\n"


def test_a_machine_whose_group_is_gone_does_not_start_outside_of_it(launch):
    os.rmdir(launch.group)
    done = subprocess.run(
        ["sh", "-c", LAUNCH.read_text(), "machine", "o", "/p", "vb-1", str(launch.group), "--"],
        capture_output=True,
    )
    assert done.returncode != 0
