"""Vagrant boxes made from Debian's packages: a root, a boot loader, and a tar that vagrant reads.

Nothing is mounted and no loop device is needed: the file system is written from the tree, and the
two parts of GRUB go to the sectors where ``grub-bios-setup`` would put them.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from provisioner.artifacts.sources.debian import make_root
from provisioner.catalog.model import Box, MachineRoot
from provisioner.model import DOCKER_DISK, SSHD_BY_KEY, Tell
from provisioner.shell import TETHER, run

GRUB = Path("/usr/lib/grub/i386-pc")
# The user vagrant's key, made with the box: the one that the whole world knows is never let in.
KEY = "vagrant_private_key"
# Unless it is told what guest this is, vagrant asks a machine some forty questions by SSH.
VAGRANTFILE = f"""\
Vagrant.configure("2") do |config|
  config.vm.guest = "{{guest}}"
  config.ssh.private_key_path = File.expand_path("../{KEY}", __FILE__)
  config.ssh.insert_key = false
end
"""
PRELOAD = Path(__file__).with_name("bake_images.sh")
# Parts of its key, beside what the catalogue says: a box that older ones made is made anew, and it
# alone, where another RECIPE of the store would have everything built again.
MAKERS = (Path(__file__), PRELOAD)
BOX = "package.box"
ROOT_LABEL = "kubelab-root"
SECTOR = 512
# Where the first partition starts; the sectors before it hold GRUB.
FIRST = 2048

INTERFACES = """\
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet dhcp
source /etc/network/interfaces.d/*
"""
# Of one kind: an RSA key takes an emulated processor ten seconds.
HOST_KEY = """\
[Unit]
Description=SSH host key of this machine
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
"""
# All that starts after it has it from process 1. Under KVM it does nothing.
TIMER_SLACK = """\
[Unit]
Description=Timers of an emulated machine may be late, and go off together
ConditionVirtualization=qemu
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo {nanoseconds} > /proc/1/timerslack_ns'

[Install]
WantedBy=sysinit.target
"""
# Vagrant would set it by a dozen commands, and start the network anew; it leaves one that is right.
NAME = """\
[Unit]
Description=The host name that the maker of this machine wrote into its firmware
ConditionPathExists=/sys/class/dmi/id/chassis_asset_tag
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/take-host-name

[Install]
WantedBy=sysinit.target
"""
TAKE_NAME = """\
#!/bin/sh
# Only at the first start: a name that somebody gave it since is not touched.
read -r tag < /sys/class/dmi/id/chassis_asset_tag
name=${{tag#hostname=}}
[ "$name" != "$tag" ] && [ "$(cat /etc/hostname)" = {unnamed} ] || exit 0
echo "$name" > /etc/hostname
hostname "$name"
sed -i "s/ {unnamed}$/ $name/" /etc/hosts
"""
UNNAMED = "kubelab"
# Where the roles look for what an artifact set has; a file that is there as it was is not copied.
BIN_PLACES = {"bin": "usr/local/bin", "cni": "opt/cni/bin"}
# Less to unpack and to send to libvirt: a third of the size. It wants QEMU 5.1 where machines run.
TO_QCOW2 = ("qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd")
GRUB_EARLY = f"search --no-floppy --label {ROOT_LABEL} --set=root\nset prefix=($root)/boot/grub\n"
GRUB_MODULES = (
    *("biosdisk", "part_msdos", "ext2", "search", "search_label", "normal", "linux", "minicmd"),
    *("configfile", "serial", "terminal"),
)


@dataclass(frozen=True)
class Baked:
    """What a baked box has beyond a plain one: an artifact set, and its images in docker.

    docker's folder is a second disk of the box, of ``docker_disk_gib`` GiB, or with 0 on its root.
    """

    folder: Path
    archives: Sequence[Path]
    docker_disk_gib: int


def make_box(cache: Path, box: Box, baked: Baked | None, into: Path, tell: Tell) -> None:
    """Make ``package.box`` in ``into``: metadata, a Vagrantfile and a qcow2 image in one tar.

    Raises:
        CommandError: debootstrap, docker or a tool failed.
    """
    tree = into / "tree"
    root: MachineRoot = box
    if baked:
        root = box.model_copy(update={"packages": [*box.packages, *box.baked]})
    make_root(cache, root, tree, lambda detail, far: tell(detail, far and far * 0.6))
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vagrant", "-f", str(into / KEY)])
    _configure(tree, box, (into / f"{KEY}.pub").read_text(encoding="utf-8"))
    if baked:
        tell("loading images into docker", 0.6)
        _bake(tree, box, baked)
    tell("writing the disk", 0.75)
    images = [into / "box.img"]
    if baked and baked.docker_disk_gib:
        images.append(into / "docker.img")
        _write_docker_disk(tree, baked.docker_disk_gib, images[-1])
    _write_image(tree, box, into / "raw.img", images[0])
    run(["rm", "-rf", "--one-file-system", str(tree), str(into / "raw.img")])
    tell("packing", 0.95)
    _pack(box.guest, box.disk_gib, images, into / BOX)


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _in_root(tree: Path, *argv: str) -> None:
    run([*TETHER, "chroot", str(tree), *argv], env={"LC_ALL": "C"})


def _configure(tree: Path, box: Box, public_key: str) -> None:
    _put(tree / "etc/hostname", f"{UNNAMED}\n")
    _put(tree / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {UNNAMED}\n")
    _put(tree / "usr/local/sbin/take-host-name", TAKE_NAME.format(unnamed=UNNAMED), 0o755)
    _put(tree / "etc/systemd/system/host-name.service", NAME)
    _put(tree / "etc/fstab", f"LABEL={ROOT_LABEL} / ext4 errors=remount-ro 0 1\n")
    _put(tree / "etc/network/interfaces", INTERFACES)
    _put(tree / "etc/systemd/system/ssh-host-keys.service", HOST_KEY)
    _put(tree / "etc/sudoers.d/vagrant", "vagrant ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    # Looking up the name of whoever logs in waits for a DNS server that a closed network has not.
    _put(tree / "etc/ssh/sshd_config.d/kubelab.conf", f"UseDNS no\n{SSHD_BY_KEY}")
    _in_root(tree, "useradd", "--create-home", "--shell", "/bin/bash", "vagrant")
    _put(tree / "home/vagrant/.ssh/authorized_keys", public_key, 0o600)
    (tree / "home/vagrant/.ssh").chmod(0o700)
    _in_root(tree, "chown", "-R", "vagrant:vagrant", "/home/vagrant")
    slack = TIMER_SLACK.format(nanoseconds=box.timer_slack_ms * 10**6)
    _put(tree / "etc/systemd/system/timer-slack.service", slack)
    units = ["ssh-host-keys.service", "timer-slack.service", "host-name.service"]
    run(["systemctl", f"--root={tree}", "enable", *units])
    # It waits until udev is done with every device, and that of the network is there before.
    run(["systemctl", f"--root={tree}", "mask", "ifupdown-pre.service"])
    # Only the drivers that a virtual machine has: a third of the size, and less to unpack at boot.
    _put(tree / "etc/initramfs-tools/conf.d/kubelab", "MODULES=list\n")
    _put(tree / "etc/initramfs-tools/modules", "".join(f"{m}\n" for m in box.initramfs_modules))
    _in_root(tree, "update-initramfs", "-u", "-k", "all")
    kernel = next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
    _put(
        tree / "boot/grub/grub.cfg",
        "serial --unit=0 --speed=115200\nterminal_output serial console\n"
        f"search --no-floppy --label {ROOT_LABEL} --set=root\n"
        f"linux /boot/vmlinuz-{kernel} root=LABEL={ROOT_LABEL} ro {box.kernel_arguments}\n"
        f"initrd /boot/initrd.img-{kernel}\nboot\n",
    )


def _bake(tree: Path, box: Box, baked: Baked) -> None:
    place = tree / "var/lib/kubelab/artifacts"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(baked.folder, place)
    for part, folder in BIN_PLACES.items():
        shutil.copytree(place / part, tree / folder, dirs_exist_ok=True)
    archives = [str(Path("/var/lib/kubelab/artifacts") / path) for path in baked.archives]
    run([*TETHER, "bash", str(PRELOAD), str(tree), *archives])
    # The one that loads images here takes its settings from the command line.
    settings = json.dumps(box.baked_daemon, indent=4, sort_keys=True)
    _put(tree / "etc/docker/daemon.json", f"{settings}\n")


def _write_docker_disk(tree: Path, gib: int, image: Path) -> None:
    """Move docker's folder onto a disk of its own, without partitions, and let it be mounted."""
    content, raw = image.with_suffix(".tree"), image.with_suffix(".raw")
    folder, uuid = Path("/var/lib/docker"), str(uuid4())
    place = tree / folder.relative_to("/")
    place.rename(content)
    place.mkdir(mode=0o710)
    _make_ext4(content, DOCKER_DISK, raw, gib * 2**20, uuid=uuid)
    with (tree / "etc/fstab").open("a", encoding="utf-8") as fstab:
        # The line that the role storage would write.
        fstab.write(f"UUID={uuid} {folder} ext4 defaults,x-systemd.device-timeout=15min 0 2\n")
    run([*TO_QCOW2, str(raw), str(image)])
    run(["rm", "-rf", "--one-file-system", str(content), str(raw)])


def _make_ext4(
    tree: Path, label: str, into: Path, kib: int, *, offset: int = 0, uuid: str = "random"
) -> None:
    """A filesystem of ``kib`` KiB with what is in ``tree``, at an offset in bytes of a file."""
    # Without a lazy table the first boot would spend its time on one.
    options = f"offset={offset},lazy_itable_init=0,lazy_journal_init=0"
    what = ("-L", label, "-U", uuid, "-E", options, "-d", str(tree))
    run(["mkfs.ext4", "-q", "-F", *what, str(into), f"{kib}k"])


def _write_image(tree: Path, box: Box, raw: Path, image: Path) -> None:
    blocks = box.disk_gib * 2**30 // SECTOR
    with raw.open("wb") as file:
        file.truncate(blocks * SECTOR)
    layout = f"label: dos\nstart={FIRST}, type=83, bootable\n"
    run(["sfdisk", "--quiet", str(raw)], stdin=layout)
    _make_ext4(tree, ROOT_LABEL, raw, (blocks - FIRST) * SECTOR // 1024, offset=FIRST * SECTOR)
    _install_grub(raw)
    run([*TO_QCOW2, str(raw), str(image)])


def _install_grub(raw: Path) -> None:
    early, core = raw.with_name("early.cfg"), raw.with_name("core.img")
    _put(early, GRUB_EARLY)
    run(
        [
            *("grub-mkimage", "-O", "i386-pc", "-p", "/boot/grub", "-c", str(early)),
            *("-o", str(core), *GRUB_MODULES),
        ]
    )
    boot = (GRUB / "boot.img").read_bytes()
    with raw.open("r+b") as disk:
        # The first 440 bytes are code; the partition table follows them. The code finds the core
        # in sector 1, and the core for its rest in sector 2, as GRUB was built.
        disk.write(boot[:440])
        disk.seek(SECTOR)
        disk.write(core.read_bytes())
    early.unlink()
    core.unlink()


def pack_machine(disk: Path, key: Path, guest: str, into: Path) -> None:
    """Make a box of a stopped machine's disk and of the key of its user vagrant.

    Raises:
        CommandError: the disk cannot be read, or there is no room.
    """
    folder = into.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run([*TO_QCOW2, str(disk), str(folder / "box.img")])
    facts = json.loads(run(["qemu-img", "info", "--output=json", str(disk)]).stdout)
    shutil.copyfile(key, folder / KEY)
    _pack(guest, -(-facts["virtual-size"] // 2**30), [folder / "box.img"], into)


def _pack(guest: str, disk_gib: int, images: Sequence[Path], into: Path) -> None:
    facts = {"provider": "libvirt", "format": "qcow2", "virtual_size": disk_gib}
    if len(images) > 1:
        facts["disks"] = [{"path": image.name} for image in images]
    folder = into.parent
    _put(folder / "metadata.json", json.dumps(facts))
    _put(folder / "Vagrantfile", VAGRANTFILE.format(guest=guest))
    names = ["metadata.json", "Vagrantfile", KEY, *(image.name for image in images)]
    into.touch(mode=0o600)
    run(["tar", "--create", "--file", str(into), "--directory", str(folder), *names])
    for name in (*names, f"{KEY}.pub"):
        (folder / name).unlink(missing_ok=True)
