"""Machine containers of systemd-nspawn: real systemd, sshd, docker and kubelet, no hypervisor."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import tenacity

from provisioner.errors import CommandError, LabError
from provisioner.model import (
    Event,
    Finding,
    Listener,
    Machine,
    MachineImage,
    MachineState,
    Node,
    Traits,
)
from provisioner.providers.naming import drop_label, keep_label, label_of
from provisioner.providers.nspawn import disks, machine, remains
from provisioner.providers.nspawn.cgroups import MachineGroup, machines_of_others
from provisioner.providers.nspawn.kernel import PIDS
from provisioner.providers.nspawn.network import LabNetwork, words_for
from provisioner.providers.nspawn.preflight import Counts, probe_host
from provisioner.providers.nspawn.snapshots import Snapshots
from provisioner.providers.ssh import ReachedBySsh, SshAccess, make_key
from provisioner.shell import run, tail
from provisioner.spec import LabSpec, MachineOptions

PHASE = "machines"
SSH_SECONDS = 60.0
# How long a running machine may take to accept a login before it is killed and started again.
BUSY_SECONDS = 20.0
STOP_SECONDS = 30.0
# A machine that ended at its first start on a busy host was seen to work at the second.
STARTS = 2
TRAITS = Traits(shared_kernel=True, own_swap=False, own_disk=False, host_folders=True)


class _EndedError(LabError):
    """A machine ended before it accepted a login."""


@dataclass
class MachineProvider(ReachedBySsh):
    """The machines of one lab on this host.

    ``inside`` are the ranges of pods and services, which are never looked for outside the lab.
    """

    lab: str
    folder: Path
    nodes: Sequence[Node]
    network: IPv4Network
    inside: tuple[IPv4Network, ...]
    nat: bool = True
    expose: tuple[int | str, ...] = ()
    name: str = "machine"
    traits: Traits = TRAITS
    _interrupted: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    @property
    def label(self) -> str:
        """The lab's name on this host, where a lab of the same name may live in another folder."""
        return label_of(self.lab, self.folder)

    @property
    def access(self) -> SshAccess:
        """How its machines are reached."""
        return SshAccess.of_lab(self.folder / "ssh")

    @property
    def snapshots(self) -> Snapshots:
        """The lab's snapshots: the disks of all machines at one moment."""
        plans = [self._plan(node) for node in self.nodes]
        return Snapshots(self.folder / "snapshots", plans, self.stop, self._start_again)

    @property
    def net(self) -> LabNetwork:
        """The lab's network on this host."""
        return LabNetwork(self.label, self.network, self.inside, self.nat, self.expose)

    def probe(self) -> list[Finding]:
        """Whether this host can serve, one Finding a question; nothing is changed."""
        new = [node for node in self.nodes if self._state(node) == "absent"]
        asleep = [node for node in self.nodes if self._state(node) != "running"]
        counts = Counts(len(new), len(asleep), self._machines_of_host)
        return probe_host(self.folder, self.net, counts)

    @property
    def reach(self) -> str:
        """Who reaches the machines beside one another, as it is now."""
        # Rules are shown to root alone.
        if os.geteuid() == 0 and self.net.is_made and not self.net.has_rules:
            return "open to every network: this host lacks the lab's rules; `kubelab up` makes them"
        return words_for(self.expose)

    @property
    def _machines_of_host(self) -> int:
        return len(self.nodes) + machines_of_others(self.label)

    def create(self, nodes: Sequence[Node], image: MachineImage, listen: Listener) -> None:
        """Make the machines that are missing, start those that are stopped, wait for SSH.

        Raises:
            HostError: this host cannot serve; nothing was changed.
            LabError: a machine did not come up.
        """
        self.snapshots.refuse_half_restored()
        self.snapshots.remove_remains()
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_label(self.lab, self.folder)
        remains.claim(self.label, self.folder)
        make_key(self.access.key, f"kubelab-{self.lab}")
        self.net.make(self._machines_of_host)
        plans = [self._plan(node) for node in self.nodes if node in nodes or self._is_made(node)]
        self.access.trust(machine.known_host(plan) for plan in plans)

        def bring_up(plan: machine.MachinePlan, listen: Listener) -> None:
            self._bring_up(plan, image, listen)

        self._in_parallel(bring_up, [plan for plan in plans if plan.node in nodes], listen)

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Shut the machines down, by force after a deadline; their disks stay."""
        self._in_parallel(self._shut_down, [self._plan(node) for node in nodes], listen)

    def destroy(self, listen: Listener) -> None:
        """Remove all that carries this lab's name, also what a killed run left."""
        remains.remove(self.net, listen)
        for place in ("machines", "ssh", "snapshots"):
            _remove_tree(self.folder / place)
        drop_label(self.folder)

    def machines(self) -> list[Machine]:
        """Every machine of the lab as it is now."""
        return [self._facts(node) for node in self.nodes]

    def _plan(self, node: Node) -> machine.MachinePlan:
        return machine.MachinePlan(
            lab=self.label,
            node=node,
            folder=self.folder / "machines" / node.name,
            network=self.net,
        )

    def _start_again(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Start machines from the disks that they have, and what they were made from."""
        self.net.make(self._machines_of_host)

        def bring_up(plan: machine.MachinePlan, listen: Listener) -> None:
            self._bring_up(plan, plan.image, listen)

        self._in_parallel(bring_up, [self._plan(node) for node in nodes], listen)

    def _facts(self, node: Node) -> Machine:
        state, folder, disk = self._state(node), self.folder / "machines" / node.name, "0"
        if state != "absent":
            # Files come and go while they are counted.
            disk = run(["du", "-sxm", str(folder)], check=False).stdout.split("\t")[0] or "0"
        memory = MachineGroup(self.label, node.name).memory_mib()
        return Machine(node.name, state, node.address, memory, int(disk))

    def _state(self, node: Node) -> MachineState:
        group = MachineGroup(self.label, node.name)
        if not self._is_made(node):
            return "absent"
        if group.processes():
            return "paused" if group.is_frozen else "running"
        return "stopped"

    def _is_made(self, node: Node) -> bool:
        return (self.folder / "machines" / node.name).is_dir()

    def _bring_up(self, plan: machine.MachinePlan, image: MachineImage, listen: Listener) -> None:
        host = plan.node.name
        group = MachineGroup(self.label, host)
        # A killed save leaves it frozen.
        group.thaw()
        if group.processes():
            if self._serves(plan, group):
                if not plan.mounts_file.is_file():
                    # It was made by a version that did not write them down.
                    machine.note_mounts(plan, image)
                listen(Event(PHASE, "start", "ok", host, detail="was running"))
                return
            if not self._goes_on():
                return
            # Its start was interrupted, or its init hangs.
            group.kill()
        listen(Event(PHASE, "start", "start", host))
        machine.prepare(plan, image, self.access.public)
        patience = tenacity.Retrying(
            stop=lambda tries: tries.attempt_number >= STARTS or not self._goes_on(),
            retry=tenacity.retry_if_exception_type(_EndedError),
            reraise=True,
        )
        patience(self._start, plan, group)
        listen(Event(PHASE, "start", "changed", host))

    def _start(self, plan: machine.MachinePlan, group: MachineGroup) -> None:
        """Start a machine, and wait until it accepts a login.

        Raises:
            LabError: it did not, or it ended.
        """
        # Of a start that ended, processes may be left.
        group.kill()
        is_alive = machine.launch(plan, group.make(plan.node.cpus, plan.node.memory_mib, PIDS))
        try:
            self.access.wait(plan.node.address, SSH_SECONDS, lambda: is_alive() and self._goes_on())
        except CommandError as error:
            said = tail(plan.console.read_text(errors="replace")) or "(its console is empty)"
            late = f"does not answer SSH after {SSH_SECONDS:.0f} s"
            kind, end = (LabError, late) if is_alive() else (_EndedError, "ended")
            raise kind(
                f"{plan.node.name}: the machine {end}",
                f"{error.details}\nThe end of its console ({plan.console}):\n{said}",
                "Run `kubelab up` again; if it fails again, run `kubelab destroy` first.",
            ) from None

    def _serves(self, plan: machine.MachinePlan, group: MachineGroup) -> bool:
        """Whether a running machine works. It may also hang, or be on its way down."""
        try:
            asked = self.access.wait(
                plan.node.address,
                BUSY_SECONDS,
                lambda: self._goes_on() and bool(group.processes()),
                # It fails where any unit does.
                ["sh", "-c", "systemctl is-system-running || true"],
            )
        except CommandError:
            return False
        if asked.stdout.strip() == "stopping":
            with suppress(LabError):
                group.wait_until_empty(STOP_SECONDS)
        return asked.stdout.strip() not in ("stopping", "")

    def _shut_down(self, plan: machine.MachinePlan, listen: Listener) -> None:
        host = plan.node.name
        group = MachineGroup(self.label, host)
        if not group.processes():
            return
        listen(Event(PHASE, "stop", "start", host))
        group.thaw()
        try:
            order = ["systemctl", "poweroff", "--no-block"]
            self.access.exec(plan.node.address, order, check=False, seconds=10)
            group.wait_until_empty(STOP_SECONDS)
        except LabError:
            group.kill()
        group.remove()
        machine.remove_link(self.label, host)
        listen(Event(PHASE, "stop", "changed", host))

    def _goes_on(self) -> bool:
        return not self._interrupted.is_set()

    def _in_parallel(
        self,
        act: Callable[[machine.MachinePlan, Listener], None],
        plans: Sequence[machine.MachinePlan],
        listen: Listener,
    ) -> None:
        """Do it for all machines at once; the first error is raised when all have ended."""
        if not plans:
            return
        with ThreadPoolExecutor(max_workers=min(len(plans), 16)) as pool:
            try:
                for future in [pool.submit(act, plan, listen) for plan in plans]:
                    future.result()
            except KeyboardInterrupt:
                # The pool waits for its threads, which would wait for SSH.
                self._interrupted.set()
                raise


@tenacity.retry(stop=tenacity.stop_after_attempt(20), wait=tenacity.wait_fixed(0.25), reraise=True)
def _remove_tree(place: Path) -> None:
    """Remove a folder; a mount of a machine that just died may hold it for a moment."""
    # Mount points of ours live in the machines' own namespaces; one here is somebody else's.
    disks.remove(place)


def provider_of(spec: LabSpec, folder: Path) -> MachineProvider:
    """The provider of a lab whose files are in ``folder``."""
    assert isinstance(spec.provider, MachineOptions)
    inside = (IPv4Network(spec.networks.pod), IPv4Network(spec.networks.service))
    network = IPv4Network(spec.networks.node)
    options = spec.provider
    return MachineProvider(
        spec.name, folder, spec.machines, network, inside, options.nat, tuple(options.expose)
    )
