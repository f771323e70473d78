"""Machine containers of systemd-nspawn: real systemd, sshd, docker and kubelet, no hypervisor."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import tenacity

from provisioner.errors import CommandError, HostError, LabError
from provisioner.model import Event, Finding, Listener, Machine, Node
from provisioner.providers import nspawn
from provisioner.providers.cgroups import MachineGroup, groups_of
from provisioner.providers.host import probe_host
from provisioner.providers.network import LabNetwork
from provisioner.providers.ssh import SshAccess, make_key
from provisioner.shell import Result, run, tail

PHASE = "machines"
SSH_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass
class MachineProvider:
    """The machines of one lab on this host.

    ``inside`` are the ranges of pods and services, which are never looked for outside the lab.
    ``root`` is the tree that they all start from (never written to); ``mounts`` are folders of this
    host and where machines see them, read-only. Both may be missing where nothing is created.
    """

    lab: str
    folder: Path
    nodes: Sequence[Node]
    network: IPv4Network
    inside: tuple[IPv4Network, ...]
    nat: bool = True
    root: Path | None = None
    mounts: Mapping[Path, str] = field(default_factory=dict)
    name: str = "machine"

    @property
    def access(self) -> SshAccess:
        """How machines are reached."""
        return SshAccess(self.folder / "ssh")

    @property
    def net(self) -> LabNetwork:
        """The lab's network on this host."""
        return LabNetwork(self.lab, self.network, self.inside, self.nat)

    @property
    def forwarding(self) -> Path:
        """Remembers that this host did not forward packets before the lab."""
        return self.folder / "ip_forward"

    def probe(self) -> list[Finding]:
        """Whether this host can serve, one Finding a question; nothing is changed."""
        return probe_host(self.folder, self.net, self.nodes)

    def create(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Make the machines that are missing, start those that are stopped, wait for SSH.

        Raises:
            HostError: this host cannot serve; nothing was changed.
            LabError: a machine did not come up.
        """
        if self.root is None:
            raise HostError("no machine root", "", "Run `kubelab artifacts build` first.")
        self.folder.mkdir(parents=True, exist_ok=True)
        public = make_key(self.access.key, f"kubelab-{self.lab}")
        self.net.make()
        self.net.forward(self.forwarding)
        plans = [self._plan(node) for node in self.nodes]
        hosts = {plan.node.address: nspawn.prepare(plan, public) for plan in plans}
        lines = "".join(f"{address} {key}\n" for address, key in hosts.items())
        self.access.known_hosts.write_text(lines, encoding="utf-8")
        wanted = {node.name for node in nodes}
        _in_parallel(self._bring_up, [p for p in plans if p.node.name in wanted], listen)

    def stop(self, nodes: Sequence[Node], listen: Listener) -> None:
        """Shut the machines down in order, by force after a deadline; their disks stay."""
        _in_parallel(self._shut_down, [self._plan(node) for node in nodes], listen)

    def destroy(self, listen: Listener) -> None:
        """Remove all that carries this lab's name, also what a killed run left."""
        for group in groups_of(self.lab):
            listen(Event(PHASE, "stop", "start", group.node))
            group.kill()
            group.remove()
            nspawn.forget(self.lab, group.node)
            listen(Event(PHASE, "stop", "changed", group.node))
        self.net.remove(self.forwarding)
        for place in (self.folder / "machines", self.folder / "ssh"):
            _remove_tree(place)

    def machines(self) -> list[Machine]:
        """Every machine of the lab as it is now."""
        return [Machine(node.name, self._state(node), node.address) for node in self.nodes]

    def ssh(self, node: Node) -> list[str]:
        """The command line of ``ssh`` to a node; words may be added."""
        return self.access.argv(node.address)

    def exec(self, node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
        """Run a command on a node, as root.

        Raises:
            CommandError: it failed (and ``check``), or the node cannot be reached.
        """
        return self.access.exec(node.address, argv, check=check)

    def group_vars(self) -> dict[str, Any]:
        """How hosts are reached, and role variables for what is peculiar about these machines."""
        return {
            "ansible_user": "root",
            # Nothing to become: without this every task would go through sudo all the same.
            "ansible_become": False,
            "ansible_ssh_private_key_file": str(self.access.key),
            "ansible_ssh_common_args": " ".join(["-F", "/dev/null", *self.access.options()]),
            "ansible_python_interpreter": "/usr/bin/python3",
            # The disk and the swap are the host's, and shared by all machines.
            "node_swap_off": False,
            "kubernetes_kubelet_config": {
                "failSwapOn": False,
                "evictionHard": {"nodefs.available": "1Gi", "memory.available": "100Mi"},
                "imageGCHighThresholdPercent": 100,
            },
            # Connection tracking is the host's: its limits cannot be set from inside.
            "control_plane_kube_proxy_config": {"conntrack": {"maxPerCore": 0}},
            # The kernel is the host's, and its configuration is not on the machine's disk.
            "control_plane_ignore_preflight_errors": ["SystemVerification"],
        }

    def _plan(self, node: Node) -> nspawn.MachinePlan:
        return nspawn.MachinePlan(
            lab=self.lab,
            node=node,
            folder=self.folder / "machines" / node.name,
            root=self.root or Path("/nonexistent"),
            network=self.net,
            mounts=self.mounts,
        )

    def _state(self, node: Node) -> Any:
        if MachineGroup(self.lab, node.name).processes():
            return "running"
        return "stopped" if (self.folder / "machines" / node.name).is_dir() else "absent"

    def _bring_up(self, plan: nspawn.MachinePlan, listen: Listener) -> None:
        host = plan.node.name
        group = MachineGroup(self.lab, host)
        if group.processes():
            try:
                self.access.wait(plan.node.address, 5)
            except CommandError:
                # Half-dead: a start that was cut off, or a machine whose init hangs.
                group.kill()
            else:
                listen(Event(PHASE, "start", "ok", host, detail="was running"))
                return
        listen(Event(PHASE, "start", "start", host))
        is_alive = nspawn.launch(plan, group.make(plan.node.cpus, plan.node.memory_mib))
        try:
            self.access.wait(plan.node.address, SSH_SECONDS, is_alive)
        except CommandError as error:
            said = tail(plan.console.read_text(errors="replace")) or "(its console is empty)"
            end = f"does not answer SSH after {SSH_SECONDS:.0f} s" if is_alive() else "ended"
            raise LabError(
                f"{host}: the machine {end}",
                f"{error.details}\nThe end of its console ({plan.console}):\n{said}",
                "Run `kubelab up` again; if it stays so, `kubelab destroy` and start anew.",
            ) from None
        listen(Event(PHASE, "start", "changed", host))

    def _shut_down(self, plan: nspawn.MachinePlan, listen: Listener) -> None:
        host = plan.node.name
        group = MachineGroup(self.lab, host)
        if not group.processes():
            return
        listen(Event(PHASE, "stop", "start", host))
        try:
            self.access.exec(
                plan.node.address, ["systemctl", "poweroff", "--no-block"], check=False
            )
            _wait_until_empty(group, STOP_SECONDS)
        except LabError:
            group.kill()
        group.remove()
        nspawn.forget(self.lab, host)
        listen(Event(PHASE, "stop", "changed", host))


def _wait_until_empty(group: MachineGroup, seconds: float) -> None:
    patience = tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_result(bool),
    )
    try:
        patience(group.processes)
    except tenacity.RetryError:
        raise LabError(f"{group.node}: still running after {seconds:.0f} s") from None


def _in_parallel(
    act: Callable[[nspawn.MachinePlan, Listener], None],
    plans: Sequence[nspawn.MachinePlan],
    listen: Listener,
) -> None:
    """Do it for all machines at once; the first error is raised when all have ended."""
    if not plans:
        return
    with ThreadPoolExecutor(max_workers=min(len(plans), 16)) as pool:
        for future in [pool.submit(act, plan, listen) for plan in plans]:
            future.result()


@tenacity.retry(stop=tenacity.stop_after_attempt(20), wait=tenacity.wait_fixed(0.25), reraise=True)
def _remove_tree(place: Path) -> None:
    """Remove a folder; a mount of a machine that just died may hold it for a moment."""
    # Mount points of ours live in the machines' own namespaces; one here is somebody else's.
    run(["rm", "-rf", "--one-file-system", str(place)], timeout=300)
