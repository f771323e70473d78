"""Why a virtual machine does not start: its console, DHCP, and this host's firewall."""

import re
from pathlib import Path

from provisioner.errors import CommandError, LabError
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.shell import run, tail

CONSOLE_BYTES = 4000
# A boot loader clears the screen and moves the cursor. The user's terminal must not obey.
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")


def console_tail(hypervisor: Hypervisor, node: str, consoles: Path) -> str:
    """The end of what a machine printed on its serial console."""
    file = consoles / f"{hypervisor.prefix}{node}.console"
    if not file.is_file():
        return f"Its console ({file}) is not on this host."
    with file.open("rb") as console:
        console.seek(max(file.stat().st_size - CONSOLE_BYTES, 0))
        said = ESCAPES.sub("", console.read().decode(errors="replace"))
    return f"The end of its console ({file}):\n{tail(said) or '(nothing was printed)'}"


def _firewall(bridge: str) -> str:
    """Whether a chain drops DHCP on a bridge before libvirt's own rules accept it."""
    try:
        rules = run(["nft", "list", "chains"], check=False).stdout
    except CommandError as error:
        # The other findings are of use without this answer.
        return f"This host's firewall cannot be read ({error.brief}): it must accept {bridge}."
    dropping = "policy drop" in rules
    if not dropping:
        return f"No chain of this host's firewall has the policy drop (bridge {bridge})."
    return f"A chain of this host's firewall has the policy drop: accept {bridge} there."


def why_no_answer(hypervisor: Hypervisor, node: str, consoles: Path, log: Path) -> LabError:
    """The error for a machine that did not answer vagrant, with all that can be found."""
    facts = hypervisor.facts(node)
    bridge = hypervisor.bridge("management")
    leases = "\n  ".join(hypervisor.leases()) or "none"
    details = [
        f"Its domain {facts.name} is {facts.state}.",
        console_tail(hypervisor, node, consoles),
        f"DHCP leases of its management network:\n  {leases}",
        _firewall(bridge),
        f"The whole output of vagrant is in {log}.",
    ]
    return LabError(
        f"{node}: the machine got no address, or does not answer SSH there",
        "\n".join(details),
        "If the console stops before a login prompt, the guest does not boot: try driver qemu, or"
        " another cpu_model. If it shows a prompt, look at dnsmasq and at the firewall."
        " Then run `kubelab up` again.",
    )
