"""Virtual machines of libvirt: vagrant makes them; libvirt lists, starts and stops them."""

import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path

from provisioner.errors import CommandError, HostError, LabError
from provisioner.model import (
    DOCKER_DISK,
    Event,
    Finding,
    Listener,
    Machine,
    MachineImage,
    Node,
    Traits,
)
from provisioner.providers.libvirt.boxes import pool_with_box, uploads_blocked
from provisioner.providers.libvirt.diagnosis import console_tail, why_no_answer
from provisioner.providers.libvirt.emulation import SLOWNESS, STOP_SECONDS
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.kvm import KvmVerdict, probe_kvm
from provisioner.providers.libvirt.pool import POOL, POOL_PATH
from provisioner.providers.libvirt.preflight import VmHost, probe_vm_host
from provisioner.providers.libvirt.remains import hypervisor_of, prefix_of
from provisioner.providers.libvirt.service import answers, ensure_service, hop_of
from provisioner.providers.libvirt.snapshots import Snapshots
from provisioner.providers.libvirt.vagrantcli import PHASE, Vagrant
from provisioner.providers.naming import drop_label, keep_label, label_of
from provisioner.providers.ssh import ReachedBySsh, SshAccess, make_key
from provisioner.render import BOOT_SECONDS, BoxFile, VagrantLab, render_vagrantfile
from provisioner.spec import LabSpec, VagrantOptions


@dataclass
class VagrantProvider(ReachedBySsh):
    """The virtual machines of one lab.

    ``vagrant_home`` holds boxes, for all labs of this user.
    """

    lab: str
    folder: Path
    nodes: Sequence[Node]
    network: IPv4Network
    options: VagrantOptions
    vagrant_home: Path
    name: str = "vagrant"

    @property
    def traits(self) -> Traits:
        """What is peculiar about its machines."""
        disk = DOCKER_DISK if self.options.docker_disk_gib else ""
        return Traits(slowness=SLOWNESS[self.driver], runtime_disk=disk)

    @property
    def access(self) -> SshAccess:
        """How its machines are reached: those of another host's libvirt only by way of that."""
        return SshAccess.of_lab(self.folder / "ssh", self._hop, SLOWNESS[self.driver])

    @property
    def reach(self) -> str:
        """Who reaches the machines beside one another: libvirt closes its NAT networks itself."""
        host = f"the host of {self.options.uri}" if self._hop else "this host"
        bridge = self.options.bridge
        return f"open to the network of {bridge}" if bridge else f"closed to all but {host}"

    @property
    def snapshots(self) -> Snapshots:
        """The lab's snapshots, running state included."""
        return Snapshots(self.hypervisor, self.nodes, self._go_on)

    @property
    def label(self) -> str:
        """The lab's name at libvirt, where a lab of the same name may live in another folder."""
        return label_of(self.lab, self.folder)

    @property
    def prefix(self) -> str:
        """What the names of all domains, volumes and networks of the lab start with."""
        return prefix_of(self.label)

    @cached_property
    def hypervisor(self) -> Hypervisor:
        """The lab's part of libvirt."""
        return hypervisor_of(self.label, self.options.uri)

    @cached_property
    def vagrant(self) -> Vagrant:
        """Vagrant in the lab's folder."""
        return Vagrant(self.folder, self.vagrant_home)

    @property
    def driver(self) -> str:
        """``kvm`` or ``qemu``: from the spec, from the lab's Vagrantfile, or from the boot probe.

        The probe runs on this host only. For another host libvirt's capabilities decide.
        """
        if self.options.driver != "auto":
            return self.options.driver
        if begun := self._driver_in_use():
            return begun
        if self._hop:
            return "kvm" if self.hypervisor.offers_kvm() else "qemu"
        return "kvm" if probe_kvm().verdict == KvmVerdict.USABLE else "qemu"

    def probe(self) -> list[Finding]:
        """Whether this host can serve, one Finding a question; nothing is changed."""
        options, begun = self.options, self._driver_in_use()
        if begun:
            # The lab's networks are up without libvirtd, but only libvirtd knows that they are its.
            ensure_service(options.uri)
        home = self.vagrant_home
        return probe_vm_host(
            VmHost(self.hypervisor, self.nodes, self.network, options, home, begun)
        )

    def create(self, nodes: Sequence[Node], image: MachineImage, listen: Listener) -> None:
        """Make the machines that are missing, start those that are stopped, wait for SSH.

        Raises:
            HostError: this host cannot serve; nothing was changed.
            LabError: a machine did not come up.
        """
        self._refuse_foreign_domains()
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_label(self.lab, self.folder)
        make_key(self.access.key, f"kubelab-{self.lab}")
        if any(self._is_half_made(node) for node in self.nodes):
            self._make(image, listen)
        self.hypervisor.wake()
        for node in nodes:
            if self.hypervisor.facts(node.name).state != "running":
                listen(Event(PHASE, "start", "start", node.name))
                self.hypervisor.start(node.name)
        self._in_parallel(self._await, nodes, listen)

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Shut the machines down, by force after a deadline; their disks stay."""

        def shut_down(node: Node, listen: Listener) -> None:
            listen(Event(PHASE, "stop", "start", node.name))
            self.hypervisor.shut_down(node.name, STOP_SECONDS[self.driver])
            listen(Event(PHASE, "stop", "changed", node.name))

        self._in_parallel(shut_down, nodes, listen)

    def disk_and_key(self, node: Node) -> tuple[Path, Path]:
        """The file of a machine's first disk, and the private key of its user vagrant."""
        return POOL_PATH / f"{self.prefix}{node.name}.img", self.vagrant.keys()[node.name]

    def destroy(self, listen: Listener) -> None:
        """Remove all that carries this lab's name, also what a killed run left."""
        ensure_service(self.options.uri)
        if (self.folder / ".vagrant").is_dir() and self._vagrantfile():
            listen(Event(PHASE, "vagrant destroy", "start"))
            # The sweep removes what vagrant does not know or cannot remove.
            self.vagrant.destroy_all()
            listen(Event(PHASE, "vagrant destroy", "changed"))
        with uploads_blocked(self.vagrant_home) as blocked:
            self.hypervisor.sweep(with_boxes=blocked)
        for name in ("ssh", ".vagrant"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "Vagrantfile").unlink(missing_ok=True)
        drop_label(self.folder)

    def machines(self) -> list[Machine]:
        """Every machine of the lab as it is now."""
        # Domains outlive libvirtd, which may not run after a restart of the host.
        if not self._driver_in_use() and not answers(self.options.uri):
            return [Machine(node.name, "absent", node.address) for node in self.nodes]
        found = [self.hypervisor.facts(node.name) for node in self.nodes]
        return [
            Machine(n.name, f.state if f.ours else "absent", n.address, f.memory_mib, f.disk_mib)
            for n, f in zip(self.nodes, found, strict=True)
        ]

    @property
    def _hop(self) -> str:
        return hop_of(self.options.uri)

    def _go_on(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Wait for SSH after a restore, and set the clocks to the present."""
        self._in_parallel(self._await, nodes, listen)
        for node in nodes:
            self.exec(node, ["date", "--utc", "--set", f"@{int(time.time())}"])

    def _driver_in_use(self) -> str:
        """The driver that the lab's machines have; empty where there are none yet."""
        known = re.search(r'libvirt\.driver = "(\w+)"', self._vagrantfile())
        return known[1] if known else ""

    def _vagrantfile(self) -> str:
        file = self.folder / "Vagrantfile"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _refuse_foreign_domains(self) -> None:
        for node in self.nodes:
            found = self.hypervisor.facts(node.name)
            if found.state != "absent" and not found.ours:
                raise HostError(
                    f"{node.name}: libvirt has a domain {found.name} that is not this lab's",
                    "It will not be touched.",
                    "Rename it, or give this lab another name (`--name`).",
                )

    def _is_half_made(self, node: Node) -> bool:
        """Whether vagrant did not finish a machine: it has no domain, or no pinned host key."""
        if self.hypervisor.domain(node.name) is None:
            return True
        return node.address not in self.access.trusted()

    def _make(self, image: MachineImage, listen: Listener) -> None:
        name = image.published.name if image.published else f"kubelab/{image.name}"
        box = BoxFile(name, image.path, image.published)
        lab = VagrantLab(
            lab=self.lab,
            nodes=self.nodes,
            network=self.network,
            driver=self.driver,
            box=box,
            prefix=self.prefix,
            mark=self.hypervisor.mark,
            folder=self.folder.resolve(),
            pool=POOL,
            consoles=str(POOL_PATH),
        )
        draft = self.folder / ".Vagrantfile.new"
        draft.write_text(render_vagrantfile(lab, self.options), encoding="utf-8")
        draft.replace(self.folder / "Vagrantfile")
        names = [node.name for node in self.nodes]
        with pool_with_box(self.hypervisor, self.vagrant_home, box, listen):
            self._remove_remains()
            waiting = self.vagrant.up(names, listen, seconds=BOOT_SECONDS[self.driver])
        if waiting:
            raise why_no_answer(self.hypervisor, waiting[0], POOL_PATH, self.vagrant.log)
        # Only new machines need it, and paramiko takes a fifth of the time that a command takes.
        from provisioner.providers.libvirt.bootstrap_access import let_root_in

        keys = self.vagrant.keys()
        let_in = [let_root_in(n, keys[n.name], self.access) for n in self.nodes]
        self.access.trust(let_in)

    def _remove_remains(self) -> None:
        """Remove what a killed run left: domains that vagrant did not finish, and their disks."""
        finished = self.vagrant.finished_ids()
        for domain in list(self.hypervisor.own_domains()):
            if domain.UUIDString() not in finished:
                self.hypervisor.remove(domain)
        self.hypervisor.remove_stray_disks([node.name for node in self.nodes])

    def _await(self, node: Node, listen: Listener) -> None:
        try:
            self.access.wait(
                node.address,
                BOOT_SECONDS[self.driver],
                lambda: self.hypervisor.facts(node.name).state == "running",
            )
        except CommandError as error:
            raise LabError(
                f"{node.name}: the machine does not answer SSH at {node.address}",
                f"{error.details}\n{console_tail(self.hypervisor, node.name, POOL_PATH)}",
                "Run `kubelab stop` and `kubelab start`; if it fails again, run `kubelab destroy`"
                " and `kubelab up`.",
            ) from None
        listen(Event(PHASE, "start", "ok", node.name))

    def _in_parallel(
        self,
        act: Callable[[Node, Listener], None],
        nodes: Sequence[Node],
        listen: Listener,
    ) -> None:
        with ThreadPoolExecutor(max_workers=16) as pool:
            for future in [pool.submit(act, node, listen) for node in nodes]:
                future.result()


def provider_of(spec: LabSpec, folder: Path, vagrant_home: Path) -> VagrantProvider:
    """The provider of a lab whose files are in ``folder``."""
    assert isinstance(spec.provider, VagrantOptions)
    network = IPv4Network(spec.networks.node)
    return VagrantProvider(spec.name, folder, spec.machines, network, spec.provider, vagrant_home)
