"""libvirt, by libvirt-python: what vagrant cannot tell, and the removal of all that is a lab's.

Everything of a lab carries its prefix: domains, volumes, networks. A domain is the lab's own only
if its description says so too; another of the same name is never touched.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import libvirt
import tenacity

from provisioner.errors import HostError, LabError
from provisioner.model import MachineState
from provisioner.providers.libvirt.errors import as_lab_error
from provisioner.providers.libvirt.pool import Pool
from provisioner.providers.libvirt.service import ensure_service

STATES: dict[int, MachineState] = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
}


@dataclass(frozen=True)
class DomainFacts:
    """A domain as libvirt sees it; memory and disk are what it uses now, in MiB."""

    name: str
    state: MachineState
    ours: bool
    memory_mib: int
    disk_mib: int


@dataclass
class Hypervisor:
    """What a lab has at one libvirt. ``prefix`` starts all names, ``mark`` all descriptions."""

    uri: str
    prefix: str
    mark: str
    _link: Any = field(default=None, init=False, repr=False)

    @property
    def link(self) -> Any:
        """The connection. It is opened again if libvirt was restarted since its last use.

        Raises:
            HostError: libvirt cannot be reached.
        """
        if self._link is not None:
            # Only a call shows that the other end has closed the socket.
            with suppress(libvirt.libvirtError):
                self._link.getLibVersion()
                return self._link
        self._link = self._connect()
        return self._link

    def _connect(self) -> Any:
        ensure_service(self.uri)
        try:
            return libvirt.open(self.uri)
        except libvirt.libvirtError as error:
            hint = "`kubelab doctor` says what is missing."
            raise HostError(f"no libvirt at {self.uri}", str(error), hint) from None

    @property
    def pool(self) -> Pool:
        """The storage pool that has the disks of all labs."""
        return Pool(lambda: self.link)

    def offers_kvm(self) -> bool:
        """Whether libvirt offers KVM. A guest may still not boot."""
        return "<domain type='kvm'" in self.link.getCapabilities()

    def domain(self, node: str) -> Any:
        """The domain of a node, or None.

        Raises:
            LabError: libvirt does not answer. Nothing may be made or removed then.
        """
        with as_lab_error(
            f"{node}: libvirt cannot look up its domain", "Look at `virsh list --all`."
        ):
            try:
                return self.link.lookupByName(self.prefix + node)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return None

    def is_ours(self, domain: Any) -> bool:
        """Whether the lab made a domain. The name alone does not prove it."""
        try:
            text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None)
        except libvirt.libvirtError:
            return False
        return bool(text.startswith(f"{self.mark} "))

    def own_domains(self) -> Iterator[Any]:
        """Every domain that the lab made, those of a killed run included."""
        for domain in self.link.listAllDomains():
            if domain.name().startswith(self.prefix) and self.is_ours(domain):
                yield domain

    def facts(self, node: str) -> DomainFacts:
        """What is true of a node's domain now."""
        domain = self.domain(node)
        if domain is None:
            return DomainFacts(self.prefix + node, "absent", ours=False, memory_mib=0, disk_mib=0)
        state = STATES.get(domain.state()[0], "stopped")
        memory = 0
        if domain.isActive():
            with suppress(libvirt.libvirtError):
                memory = domain.memoryStats().get("rss", 0) // 1024
        return DomainFacts(
            domain.name(), state, self.is_ours(domain), memory, self.pool.used_mib(domain.name())
        )

    def leases(self) -> list[str]:
        """The DHCP leases of the management network, a line each."""
        try:
            network = self.link.networkLookupByName(f"{self.prefix}management")
            return [f"{x['mac']} {x['ipaddr']} {x['hostname']}" for x in network.DHCPLeases()]
        except libvirt.libvirtError as error:
            return [str(error)]

    def bridge(self, network: str) -> str:
        """The bridge of one of the lab's networks, or an empty text."""
        with suppress(libvirt.libvirtError):
            return str(self.link.networkLookupByName(self.prefix + network).bridgeName())
        return ""

    def wake(self) -> None:
        """Start the lab's networks and the pool, which are inactive after a restart of the host.

        Raises:
            LabError: libvirt refuses.
        """
        hint = "Look at `virsh net-list --all` and `virsh pool-list --all`."
        with as_lab_error("the lab's networks do not start", hint):
            for network in self.link.listAllNetworks():
                if network.name().startswith(self.prefix) and not network.isActive():
                    network.create()
            if self.pool.is_defined:
                self.pool.ensure()

    def start(self, node: str) -> None:
        """Start a domain, or resume a paused one. A full disk pauses domains.

        Raises:
            LabError: libvirt refuses.
        """
        self._call(node, lambda domain: domain.resume() if domain.isActive() else domain.create())

    def shut_down(self, node: str, seconds: float) -> None:
        """Shut a domain down. It is powered off if it still runs after ``seconds``."""
        domain = self.domain(node)
        if domain is None or not domain.isActive():
            return
        patience = tenacity.Retrying(
            stop=tenacity.stop_after_delay(seconds),
            wait=tenacity.wait_fixed(0.5),
            retry=tenacity.retry_if_result(bool),
        )
        try:
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                # A paused domain does not react.
                domain.resume()
            domain.shutdown()
            patience(domain.isActive)
        except (libvirt.libvirtError, tenacity.RetryError):
            with suppress(libvirt.libvirtError):
                domain.destroy()

    def _call(self, node: str, act: Callable[[Any], object]) -> None:
        domain = self.domain(node)
        if domain is None:
            raise LabError(f"{node}: no such machine", "", "Run `kubelab up` to make it.")
        with as_lab_error(f"{node}: libvirt refuses", "Look at `virsh list --all`."):
            act(domain)

    def remove(self, domain: Any) -> None:
        """Remove a domain with its snapshots and volumes."""
        name = domain.name()
        with suppress(libvirt.libvirtError):
            domain.destroy()
        flags = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        domain.undefineFlags(flags | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        self.pool.remove_disks(name)

    def remove_stray_disks(self, nodes: Sequence[str]) -> None:
        """Remove the volumes of nodes that have no domain. Vagrant fails where they are."""
        for node in nodes:
            if self.domain(node) is None:
                self.pool.remove_disks(self.prefix + node)

    def sweep(self, *, with_boxes: bool) -> None:
        """Remove all that is the lab's, and ``with_boxes`` the pool, if no other lab uses it.

        Raises:
            LabError: libvirt refuses.
        """
        hint = "Fix that and run `kubelab destroy` again: it goes on with what is left."
        with as_lab_error("libvirt did not remove all of the lab", hint):
            self._sweep(with_boxes=with_boxes)

    def _sweep(self, *, with_boxes: bool) -> None:
        # libvirt lists no volumes of an inactive pool.
        self.wake()
        for domain in list(self.own_domains()):
            self.remove(domain)
        taken = [d.name() for d in self.link.listAllDomains() if d.name().startswith(self.prefix)]
        if not taken:
            for volume in self.pool.volumes():
                if volume.name().startswith(self.prefix):
                    volume.delete()
            for network in self.link.listAllNetworks():
                if network.name().startswith(self.prefix):
                    with suppress(libvirt.libvirtError):
                        network.destroy()
                    network.undefine()
        if with_boxes:
            self.pool.remove_unless_used()
