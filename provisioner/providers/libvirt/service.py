"""libvirt's daemon: where it is, whether it answers, and its start on this host."""

import shutil
import stat
from contextlib import suppress
from pathlib import Path

import libvirt
import tenacity

from provisioner.errors import HostError
from provisioner.providers.libvirt.kvm import DEVICE
from provisioner.shell import run, spawn, tail

# Of libvirtd, or of the daemon for QEMU where each driver has one of its own (EL9, Fedora).
SOCKETS = (Path("/run/libvirt/libvirt-sock"), Path("/run/libvirt/virtqemud-sock"))
DAEMONS = {
    "libvirtd": ["libvirtd.service"],
    "virtqemud": ["virtqemud.socket", "virtnetworkd.socket", "virtstoraged.socket"],
}
SERVICE_LOG = Path("/var/log/kubelab-libvirtd.log")
# The exception has the message; libvirt would print it, too.
libvirt.registerErrorHandler(lambda *_: None, None)


def is_local(uri: str) -> bool:
    """Whether libvirt runs on this host."""
    return uri.startswith("qemu:///")


def hop_of(uri: str) -> str:
    """Where ssh has to go for a libvirt by ``qemu+ssh://``; empty for this host's own."""
    return "" if is_local(uri) else uri.replace("qemu+ssh", "ssh").removesuffix("/system")


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def give_kvm_to_its_group(device: Path = DEVICE) -> None:
    """Give /dev/kvm to the group kvm, in which QEMU runs, where no udev does.

    While that user cannot open the device and libvirt's own can, libvirt takes what it knows of
    QEMU for outdated at every question, and asks it anew: a second, or ten where the host is busy.
    """
    with suppress(FileNotFoundError, PermissionError, LookupError):
        state = device.stat()
        if state.st_gid == 0 and not state.st_mode & stat.S_IWOTH:
            shutil.chown(device, group="kvm")
            device.chmod(0o660)


def daemons() -> list[str]:
    """The units of libvirt that this host has; none before it is installed."""
    return next((units for program, units in DAEMONS.items() if shutil.which(program)), [])


def ensure_service(uri: str) -> None:
    """Start libvirt's daemon on this host unless it answers.

    Where systemd is not process 1 it runs under tini, which takes in the processes that QEMU
    leaves: libvirt waits for each of them to be gone.

    Raises:
        HostError: it does not come up.
    """
    if not is_local(uri) or answers(uri):
        return
    if _has_systemd():
        units = daemons() or DAEMONS["libvirtd"]
        run(["systemctl", "start", *units], hint=f"Look at `journalctl -u {units[0]}`.")
    else:
        give_kvm_to_its_group()
        spawn(["virtlogd", "--daemon"], SERVICE_LOG)
        spawn(["tini", "-s", "--", "libvirtd"], SERVICE_LOG)
    patience = tenacity.Retrying(
        stop=tenacity.stop_after_delay(30),
        wait=tenacity.wait_fixed(0.3),
        retry=tenacity.retry_if_result(lambda ok: not ok),
    )
    try:
        patience(answers, uri)
    except tenacity.RetryError:
        said = tail(SERVICE_LOG.read_text(errors="replace")) if SERVICE_LOG.is_file() else ""
        raise HostError(
            "libvirtd does not answer", said, "Start it by hand, and see what it says."
        ) from None


def answers(uri: str) -> bool:
    """Whether libvirt takes a connection."""
    if is_local(uri) and not any(socket.exists() for socket in SOCKETS):
        return False
    try:
        libvirt.open(uri).close()
    except libvirt.libvirtError:
        return False
    return True
