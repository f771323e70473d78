"""Questions to this host: can virtual machines run here? Nothing is changed by asking."""

import grp
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import psutil

from provisioner.host_questions import HASHICORPS_VAGRANT, HostAnswer, ask_all
from provisioner.model import Finding, Node
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.kvm import DEVICE, QEMU, KvmVerdict, nested, probe_kvm, qemu
from provisioner.providers.libvirt.plugins import home_to_ask, missing_hint
from provisioner.providers.libvirt.pool import POOL_PATH
from provisioner.providers.libvirt.service import answers, daemons, is_local
from provisioner.providers.routes import routes_over
from provisioner.shell import run
from provisioner.spec import VagrantOptions

NEEDED = ("vagrant", "qemu-img")
NO_QEMU = "not asked: no QEMU yet"
KVM_IN_WORDS = {
    KvmVerdict.USABLE: "usable",
    KvmVerdict.BROKEN: "present, but cannot boot a guest",
    KvmVerdict.ABSENT: "absent",
}
# An estimate in MiB for one machine, and once more for the box that all share.
NODE_DISK_MIB = 4000
# vagrant-libvirt up to 0.12.2 breaks with HashiCorp's packages of vagrant from 2.3.5 until 2.4.1,
# which bring a Ruby of their own (vagrant-libvirt#1749). Debian 13 has such a pair, made for one
# Ruby, and tests its package by `vagrant up`.
BROKEN_VAGRANTS = ((2, 3, 5), (2, 4, 1))
BROKEN_PLUGINS = (0, 12, 2)


@dataclass
class VmHost:
    """The questions about one lab's virtual machines. ``driver`` is the one that they have.

    ``vagrant_home`` is the one that vagrant is run with.
    """

    hypervisor: Hypervisor
    nodes: Sequence[Node]
    network: IPv4Network
    options: VagrantOptions
    vagrant_home: Path
    driver: str = ""

    def rights(self) -> HostAnswer:
        """Root, or the group libvirt."""
        if os.geteuid() == 0:
            return True, "root", ""
        groups = {grp.getgrgid(number).gr_name for number in os.getgroups()}
        if "libvirt" in groups:
            return True, "in group libvirt", ""
        hint = "Run it as root, or `usermod -aG libvirt $USER` and log in again."
        return False, "neither root nor in group libvirt", hint

    def tools(self) -> HostAnswer:
        """The programs; those that are missing come with the host packages."""
        there = {QEMU: qemu(), "libvirtd": daemons(), **{n: shutil.which(n) for n in NEEDED}}
        missing = [tool for tool, found in there.items() if not found]
        if not missing:
            return True, "all there", ""
        said = f"missing: {', '.join(missing)}"
        if any(shutil.which(manager) for manager in ("apt-get", "dnf")):
            return True, f"{said}; `kubelab up` installs them", ""
        return False, said, "Install vagrant, vagrant-libvirt, libvirt and QEMU."

    def kvm(self) -> HostAnswer:
        """Whether KVM boots a guest; else emulation serves, unless the spec insists."""
        if DEVICE.exists() and not qemu():
            return True, NO_QEMU, "", KvmVerdict.NO_QEMU
        if self.options.driver == "qemu":
            return True, "not asked: the spec wants emulation", ""
        if self.driver:
            return True, f"not asked: this lab runs by {self.driver}", ""
        if not is_local(self.options.uri):
            offered = self.hypervisor.offers_kvm()
            said = "offered by libvirt there" if offered else "not offered by libvirt there"
            return offered or self.options.driver != "kvm", f"{said}; no guest was booted", ""
        found = probe_kvm()
        words = KVM_IN_WORDS[found.verdict]
        if found.verdict == KvmVerdict.USABLE:
            inner = "nested guests too" if nested() else "no nested guests"
            return True, f"{words}: {found.detail}, {inner}", "", found.verdict
        detail = f"{words}: {found.detail}; emulation, ten times slower, takes its place"
        hint = "Set provider.driver to auto or qemu, or enable virtualisation in the firmware."
        return self.options.driver != "kvm", detail, hint, found.verdict

    def nesting(self) -> HostAnswer:
        """Whether guests may run guests, where the spec asks for it."""
        if not self.options.nested or nested():
            return True, "as the spec wants", ""
        hint = "Load kvm_intel or kvm_amd with nested=1, or set provider.nested to false."
        return False, "provider.nested is set, and this host's KVM does not nest", hint

    def libvirtd(self) -> HostAnswer:
        """Whether libvirt answers; on this host it is started when it is needed."""
        uri = self.options.uri
        if answers(uri):
            return True, f"answers at {uri}", ""
        if is_local(uri):
            return True, "not running: it is started when it is needed", ""
        hint = f"Try `virsh -c {uri} version`: it needs SSH without a password, and libvirt there."
        return False, f"no answer from {uri}", hint

    def pool(self) -> HostAnswer:
        """Where disks are kept."""
        return True, f"kubelab's own, {POOL_PATH}, made when it is needed", ""

    def memory(self) -> HostAnswer:
        """What machines that do not run yet will take: a guest's memory fills up some day."""
        if not is_local(self.options.uri):
            return True, "on another host", ""
        asleep = [n for n in self.nodes if self._state(n) in ("stopped", "absent")]
        wanted = sum(node.memory_mib for node in asleep)
        free = psutil.virtual_memory().available / 2**20
        if free < wanted:
            hint = "Stop other programs, or lower nodes[].memory_mib."
            return False, f"{free:.0f} MiB free, the nodes have {wanted:.0f}", hint
        return True, f"{free:.0f} MiB free, {wanted:.0f} for nodes", ""

    def disk(self) -> HostAnswer:
        """Room for the disks of machines that are not made yet."""
        if not is_local(self.options.uri):
            return True, "on another host", ""
        new = sum(self._state(node) == "absent" for node in self.nodes)
        place = POOL_PATH
        while not place.exists():
            place = place.parent
        free = psutil.disk_usage(str(place)).free / 2**20
        wanted = NODE_DISK_MIB * (new + 1) if new else 0
        if free < wanted:
            hint = f"Make room on the disk of {POOL_PATH}."
            return False, f"{free:.0f} MiB free at {place}, {wanted} needed", hint
        return True, f"{free:.0f} MiB free at {place}, {wanted} needed", ""

    def networks(self) -> HostAnswer:
        """Whether the lab's addresses are free: no other route of this host leads there."""
        if not is_local(self.options.uri):
            return True, "on another host", ""
        if not shutil.which("ip"):
            return True, "not asked: no ip program yet", ""
        own = set()
        if answers(self.options.uri):
            own = {self.hypervisor.bridge(name) for name in ("nodes", "management")}
        wanted = {"networks.node": self.network}
        wanted["provider.management"] = IPv4Network(self.options.management)
        for key, network in wanted.items():
            for place, way, devices in routes_over(network):
                if not devices or not set(devices) <= own:
                    hint = f"Choose another range for {key}, nodes included."
                    said = f"{key} {network} overlaps this host's route to {place} ({way})"
                    return False, said, hint
        return True, f"{self.network} and {self.options.management} are free", ""

    def versions(self) -> HostAnswer:
        """Vagrant and its plugin, in versions that work together."""
        if not shutil.which("vagrant"):
            return True, "no vagrant yet", ""
        # Seconds on an idle host, minutes on a busy one.
        env = {"VAGRANT_HOME": str(home_to_ask(self.vagrant_home))}
        core = _version(run(["vagrant", "--version"], check=False, timeout=300, env=env).stdout)
        text = run(["vagrant", "plugin", "list"], check=False, timeout=300, env=env).stdout
        line = next((x for x in text.splitlines() if x.startswith("vagrant-libvirt")), "")
        plugin = _version(line)
        said = f"vagrant {_dotted(core)}, vagrant-libvirt {_dotted(plugin) or 'missing'}"
        if not plugin:
            return False, said, missing_hint()
        first, mended = BROKEN_VAGRANTS
        broken = HASHICORPS_VAGRANT.is_dir() and first <= core < mended
        if broken and plugin <= BROKEN_PLUGINS:
            return False, f"{said}: known to break together", "Take vagrant 2.3.4, or 2.4.1."
        return True, said, ""

    def names(self) -> HostAnswer:
        """Whether other people's domains have the lab's names."""
        if not answers(self.options.uri):
            return True, "nobody to ask yet", ""
        for node in self.nodes:
            found = self.hypervisor.facts(node.name)
            if found.state != "absent" and not found.ours:
                hint = "Give this lab another name (`--name`)."
                return False, f"a domain {found.name} is there that is not this lab's", hint
        return True, "free, or this lab's own", ""

    def _state(self, node: Node) -> str:
        return self.hypervisor.facts(node.name).state if answers(self.options.uri) else "absent"


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def probe_vm_host(host: VmHost) -> list[Finding]:
    """Every question, whatever the answers to those before it."""
    return ask_all(
        {
            "rights": host.rights,
            "tools": host.tools,
            "kvm": host.kvm,
            "nested": host.nesting,
            "libvirtd": host.libvirtd,
            "pool": host.pool,
            "memory": host.memory,
            "disk": host.disk,
            "networks": host.networks,
            "vagrant": host.versions,
            "names": host.names,
        }
    )
