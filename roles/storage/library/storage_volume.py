#!/usr/bin/python
# -*- coding: utf-8 -*-
"""A disk, mounted by its UUID (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: storage_volume
short_description: Partitions a disk, makes a filesystem on it, and mounts it by UUID
description:
  - An empty disk gets one partition and a filesystem. What the mount point's folder held is copied
    onto it, so that docker finds its images again; the services that use the folder are stopped for
    that time. A disk that has a filesystem is mounted as it is. A disk with anything else on it is
    refused, unless O(wipe) says that it may be lost.
options:
  disk:
    description: Serial number of the disk, its path below C(/dev), or the label of a filesystem on it.
    type: str
    required: true
  mount:
    description: Folder to mount it at.
    type: path
    required: true
  filesystem:
    description: What to make on an empty disk. overlay2 accepts both; XFS is made with ftype=1.
    type: str
    choices: [ext4, xfs]
    default: ext4
  wipe:
    description: Whether what is on the disk may be lost. What came onto it since it was mounted there is kept.
    type: bool
    default: false
  services:
    description: Services that use the folder, in the order in which they stop.
    type: list
    elements: str
    default: []
author: kubelab
"""

RETURN = r"""
device:
  description: The partition or disk that is mounted.
  type: str
  returned: always
uuid:
  description: UUID of its filesystem.
  type: str
  returned: always
"""

import glob
import os
import re
import shutil
import time

from ansible.module_utils.basic import AnsibleModule

ACCEPTED = ("ext4", "xfs")
BY_LABEL = "/dev/disk/by-label/"
INCOMING = ".kubelab-incoming"
COMPLETE = ".kubelab-complete"
# Where partitions start, in sectors of 512 bytes: at 1 MiB, as newer tools have it.
FIRST_SECTOR = 2048
SECTORS_OF_BLOCK = 8
# There only if the kernel has SELinux on.
SELINUX = "/sys/fs/selinux/enforce"
# On a busy host a machine may not see its disk within systemd's default of 90 seconds, and would stay in
# emergency mode. It must not boot without the disk either: docker would fill the root filesystem.
OPTIONS = "defaults,x-systemd.device-timeout=15min"


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return ""


def call(module, *argv, **more):
    code, out, err = module.run_command(list(argv), **more)
    if code != 0:
        module.fail_json(msg="{0}: {1}".format(" ".join(argv), (err or out).strip()))
    return out


def find_disk(module, name):
    """The path of a disk: by its path, by udev's link, by what the driver says of its serial, or by a label."""
    if name.startswith("/dev/"):
        if os.path.exists(name):
            return os.path.realpath(name)
    else:
        for link in sorted(glob.glob("/dev/disk/by-id/*" + name)):
            if link.endswith(name):
                return os.path.realpath(link)
        for block in sorted(os.listdir("/sys/block")):
            places = ("serial", "device/serial")
            if any(read("/sys/block/{0}/{1}".format(block, p)).strip() == name for p in places):
                return "/dev/" + block
        labelled = os.path.realpath(BY_LABEL + name)
        if os.path.exists("/sys/block/" + os.path.basename(labelled)):
            if module.params["wipe"]:
                module.fail_json(msg="{0} is the label of what wipe would take away: name the disk".format(name))
            return labelled
    have = ", ".join(sorted(b for b in os.listdir("/sys/block") if not b.startswith(("loop", "ram"))))
    module.fail_json(msg="no disk {0}; this machine has {1}".format(name, have))


def probe(module, device):
    """What is on a device, as blkid sees it: TYPE, PTTYPE, UUID ..."""
    code, out, err = module.run_command(["blkid", "-p", "-o", "export", device])
    # It says 2 of an empty device, and 8 of one with the signs of several filesystems.
    if code != 0 and (code, err.strip()) != (2, ""):
        module.fail_json(msg="blkid does not say what {0} holds ({1}) {2}".format(device, code, err.strip()))
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def partitions(disk):
    """The partitions of a disk, in their order."""
    name = os.path.basename(disk)
    found = glob.glob("/sys/block/{0}/{0}*/partition".format(name))
    return ["/dev/" + os.path.basename(os.path.dirname(path)) for path in sorted(found)]


def refuse(module, disk, what):
    module.fail_json(
        msg="{0} is not empty: {1}. If that may be lost, set wipe: true for it in storage_volumes; "
        "else name another disk.".format(disk, what)
    )


def volume_of(module, disk):
    """The device with a filesystem that can be used as it is, or None where the disk is empty."""
    found = probe(module, disk)
    if "PTTYPE" in found:
        parts = partitions(disk)
        if len(parts) > 1:
            refuse(module, disk, "it has {0} partitions".format(len(parts)))
        if not parts:
            return None
        # A run that was cut off leaves an empty partition.
        found = probe(module, parts[0])
        disk = parts[0]
    kind = found.get("TYPE")
    if kind is None:
        return None
    if kind not in ACCEPTED:
        refuse(module, disk, "it holds {0}, on which overlay2 does not work".format(kind))
    if kind == "xfs" and "ftype=0" in call(module, "xfs_db", "-r", "-c", "info", disk):
        refuse(module, disk, "its XFS was made with ftype=0, on which overlay2 does not work")
    return disk


def is_set_up(module, disk, folder):
    """Whether an earlier run made the disk the folder's: what it holds came after the wish to wipe it."""
    uuid = probe(module, (partitions(disk) or [disk])[0]).get("UUID")
    lines = [line.split()[:2] for line in read("/etc/fstab").splitlines()]
    return uuid is not None and ["UUID=" + uuid, folder] in lines


def make_partition(module, disk):
    """One partition over the whole disk. sfdisk of CentOS 7 counts in cylinders and starts at sector 1 unless told."""
    call(module, "sfdisk", "-uS", disk, data="{0},,83\n".format(FIRST_SECTOR))


def warn_of_misaligned(module, device):
    """Each block of a partition that does not start at a block lies in two blocks of the disk."""
    start = read("/sys/class/block/{0}/start".format(os.path.basename(device))).strip()
    if start and int(start) % SECTORS_OF_BLOCK:
        module.warn("{0} starts at sector {1}, within a block of 4 KiB, which makes it slow".format(device, start))


def make_volume(module, disk, kind):
    """One partition over the whole disk, and a filesystem on it."""
    call(module, "wipefs", "-a", disk)
    make_partition(module, disk)
    call(module, "partprobe", disk) if module.get_bin_path("partprobe") else None
    for _attempt in range(50):
        parts = partitions(disk)
        if parts and os.path.exists(parts[0]):
            break
        time.sleep(0.2)
    else:
        module.fail_json(msg="{0}: the kernel does not see its new partition".format(disk))
    force = ["-q", "-F"] if kind == "ext4" else ["-q", "-f", "-n", "ftype=1"]
    call(module, "mkfs." + kind, *(force + [parts[0]]))
    return parts[0]


def stop(module, services):
    for service in services:
        code, _, err = module.run_command(["systemctl", "stop", service])
        if code not in (0, 5):  # 5: it is not installed yet
            module.fail_json(msg="{0} does not stop, and writes to its folder: {1}".format(service, err.strip()))


def fill(module, device, folder, services):
    """Copy what the folder holds onto a filesystem that has nothing yet; go on with a copy begun."""
    place = "/run/kubelab-storage"
    if not os.path.isdir(place):
        os.makedirs(place, 0o700)
    call(module, "mount", device, place)
    try:
        incoming = os.path.join(place, INCOMING)
        own = [n for n in os.listdir(place) if n not in ("lost+found", INCOMING)]
        begun = os.path.isdir(incoming)
        if own and not begun:
            return
        if not begun or not os.path.exists(os.path.join(incoming, COMPLETE)):
            if not os.path.isdir(folder) or not os.listdir(folder):
                return
            stop(module, services)
            shutil.rmtree(incoming, ignore_errors=True)
            os.mkdir(incoming)
            call(module, "cp", "-a", folder + "/.", incoming)
            open(os.path.join(incoming, COMPLETE), "w").close()
        for name in os.listdir(incoming):
            if name != COMPLETE:
                os.rename(os.path.join(incoming, name), os.path.join(place, name))
        shutil.rmtree(incoming)
        shutil.copystat(folder, place)
    finally:
        call(module, "umount", place)


def fstab_with(text, uuid, kind, folder):
    """/etc/fstab with the line for ``folder``, and without another for the same folder."""
    line = "UUID={0} {1} {2} {3} 0 2".format(uuid, folder, kind, OPTIONS)
    lines = text.splitlines()
    kept = [old for old in lines if not re.match(r"[^#\s]\S*\s+{0}\s".format(re.escape(folder)), old)]
    return text if line in lines and len(kept) == len(lines) - 1 else "\n".join(kept + [line]) + "\n"


def mounted_at(folder):
    lines = [line.split() for line in read("/proc/mounts").splitlines()]
    return next((os.path.realpath(line[0]) for line in lines if line[1] == folder), None)


def label(module, folder):
    """Give the root of a filesystem the SELinux label of its folder; what was copied onto it kept its own."""
    if os.path.exists(SELINUX) and module.get_bin_path("restorecon"):
        call(module, "restorecon", folder)


ARGUMENTS = {
    "disk": {"type": "str", "required": True},
    "mount": {"type": "path", "required": True},
    "filesystem": {"type": "str", "choices": list(ACCEPTED), "default": "ext4"},
    "wipe": {"type": "bool", "default": False},
    "services": {"type": "list", "elements": "str", "default": []},
}


def put_in_place(module, device, folder, mounted, fstab):
    """Fill and mount a device unless it is mounted, and write /etc/fstab where it differs."""
    if not mounted:
        fill(module, device, folder, module.params["services"])
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
        # A daemon with open files in the folder would go on writing below the mount.
        stop(module, module.params["services"])
        call(module, "mount", device, folder)
        label(module, folder)
    if fstab != read("/etc/fstab"):
        with open("/etc/fstab.new", "w") as file:
            file.write(fstab)
        module.atomic_move("/etc/fstab.new", "/etc/fstab")
        module.run_command(["systemctl", "daemon-reload"])


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = module.params
    disk = find_disk(module, wanted["disk"])
    folder = wanted["mount"].rstrip("/")
    mounted = mounted_at(folder)
    if mounted and not mounted.startswith(disk):
        module.fail_json(msg="{0} is mounted at {1} already, not {2}".format(mounted, folder, disk))
    wipe = wanted["wipe"] and not is_set_up(module, disk, folder)
    device = mounted or (None if wipe else volume_of(module, disk))
    fresh = device is None
    if module.check_mode and fresh:
        module.exit_json(changed=True, device=disk, uuid="")
    if fresh:
        device = make_volume(module, disk, wanted["filesystem"])
    warn_of_misaligned(module, device)
    facts = probe(module, device)
    fstab = fstab_with(read("/etc/fstab"), facts["UUID"], facts["TYPE"], folder)
    changed = fresh or not mounted or fstab != read("/etc/fstab")
    if changed and not module.check_mode:
        put_in_place(module, device, folder, mounted, fstab)
    module.exit_json(changed=changed, device=device, uuid=facts["UUID"])


if __name__ == "__main__":
    main()
