"""What labs of machine containers have on this host, whether their folders are still there or not.

A lab's groups, rules and bridge carry its label. A link in ``LINKS`` says which folder it has; it
ends with the uptime of the host, as all of these do.
"""

import json
import os
import re
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from provisioner.errors import CommandError, HostError
from provisioner.model import Event, HostLab, Listener
from provisioner.providers.nspawn.cgroups import MachineGroup, groups_of, labels_of_groups
from provisioner.providers.nspawn.machine import remove_link
from provisioner.providers.nspawn.network import LabNetwork
from provisioner.shell import run

NAME, PHASE = "machine", "machines"
LINKS = Path("/run/kubelab")
RULE = re.compile(r"kubelab lab (\S+)")
# What a network left is found by the lab's label alone.
ANY = IPv4Network("0.0.0.0/32")
NEED_ROOT = "Machines need root: run the command with sudo."


def claim(label: str, folder: Path) -> None:
    """Say which folder a lab has, before anything else of it is made on this host."""
    link = LINKS / label
    if link.is_symlink() and link.readlink() == folder:
        return
    LINKS.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


def labs_on_host() -> list[HostLab]:
    """Every lab that has something on this host, by label."""
    links = {path.name for path in LINKS.glob("*") if path.is_symlink()}
    labels = sorted(links | labels_of_groups() | _labels_of_rules())
    return [HostLab(label, NAME, _running(label), _folder_of(label)) for label in labels]


def remove(net: LabNetwork, listen: Listener) -> None:
    """Remove all that a lab has on this host: machines, bridge, rules and its link.

    Raises:
        HostError: this user is not root, to whom alone the rules are shown; nothing was changed.
    """
    if os.geteuid() != 0:
        raise HostError(f"{net.lab} cannot be removed", f"user id: {os.geteuid()}", NEED_ROOT)
    for group in groups_of(net.lab):
        listen(Event(PHASE, "stop", "start", group.node))
        group.kill()
        group.remove()
        remove_link(net.lab, group.node)
        listen(Event(PHASE, "stop", "changed", group.node))
    net.remove()
    (LINKS / net.lab).unlink(missing_ok=True)
    with suppress(OSError):
        # Another lab has its link there.
        LINKS.rmdir()


def remove_lost(label: str, listen: Listener) -> None:
    """The same of a lab whose folder is gone."""
    remove(LabNetwork(label, ANY, (), nat=False), listen)


def strangers(label: str, folder: Path) -> list[str]:
    """Machines that run under the label of ``folder`` although that has none: it was another."""
    if (folder / "machines").is_dir():
        return []
    return [group.node for group in groups_of(label) if group.processes()]


def _running(label: str) -> int:
    return sum(bool(group.processes()) for group in groups_of(label))


def _folder_of(label: str) -> Path | None:
    """The folder of a lab: where the console of a machine is written, which a rename moves along.

    If no machine runs, it is the folder that the lab had when it was last started.
    """
    for group in groups_of(label):
        if console := _console_of(group):
            # FOLDER/machines/NODE/console.log
            return console.parents[2]
    link = LINKS / label
    return link.readlink() if link.is_symlink() else None


def _console_of(group: MachineGroup) -> Path | None:
    for process in sorted(group.processes()):
        # It may end meanwhile.
        with suppress(OSError):
            output = Path(f"/proc/{process}/fd/1").readlink()
            if output.name == "console.log":
                return output
    return None


def _labels_of_rules() -> set[str]:
    try:
        listed = json.loads(run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    except CommandError:
        # Without nft there are no rules, and without root they cannot be read.
        return set()
    comments = (str(entry.get("rule", {}).get("comment", "")) for entry in listed)
    return {found[1] for text in comments if (found := RULE.fullmatch(text))}
