"""One machine: what is written into its root before it starts, and how systemd-nspawn is started.

All mounts of a machine live in a mount namespace of its own, which ends with its last process; so a
machine that is killed leaves nothing mounted on the host.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import LabError
from provisioner.file_faults import read_json
from provisioner.model import SSHD_BY_KEY, MachineImage, Node
from provisioner.providers.naming import short
from provisioner.providers.nspawn import baked
from provisioner.providers.nspawn.network import LabNetwork
from provisioner.providers.routes import uplink_mtu
from provisioner.providers.ssh import make_key
from provisioner.shell import run, spawn

# Units that only cost time in a container.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-logind.service",
    "getty.target",
    "console-getty.service",
    "modprobe@.service",
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-fs-fuse-connections.mount",
)

# systemd-nspawn mounts controllers read-only, and a plain "remount,rw" fails as busy.
UNIT = """\
[Unit]
Description=Network address and writable cgroups of this machine
DefaultDependencies=no
Before=network.target docker.service containerd.service kubelet.service ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c '\\
  ip link set lo up; \\
  ip address replace {address}/{prefix} dev host0; \\
  ip link set host0 mtu {mtu} up; \\
  ip route replace default via {gateway}; \\
  for group in /sys/fs/cgroup/*; do \\
    mountpoint -q $group && mount -o remount,rw,bind $group; \\
  done; true'

[Install]
WantedBy=basic.target
"""

# Without CAP_SYS_RESOURCE no process may lower an OOM score or pass that capability on, and runc
# fails where it has to. Every pod of a control plane and every privileged container wants it.
RUNC = """\
#!/bin/sh
# This host lacks CAP_SYS_RESOURCE: containers are asked to do without it.
for word in "$@"; do
  [ "$previous" = --bundle ] && bundle=$word
  previous=$word
done
[ -n "$bundle" ] && sed -i -e 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' \
  -e 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$bundle/config.json"
exec /usr/sbin/runc "$@"
"""

LAUNCH = Path(__file__).with_name("launch.sh")


@dataclass(frozen=True)
class MachinePlan:
    """One machine, and where its files are."""

    lab: str
    node: Node
    folder: Path
    network: LabNetwork

    @property
    def upper(self) -> Path:
        """The machine's own files, laid over the common root."""
        return self.folder / "upper"

    @property
    def lower(self) -> Path:
        """A link to the root that the machine was first started on.

        It stays when the catalogue changes: the machine's own files do not fit another root.
        """
        return self.folder / "lower"

    @property
    def mounts_file(self) -> Path:
        """The folders of this host that the machine sees, as it was last made with."""
        return self.folder / "mounts.json"

    @property
    def mounts(self) -> Mapping[str, str]:
        """Those folders, each with where the machine sees it.

        Raises:
            LabError: the file is damaged.
        """
        return read_json(self.mounts_file, "Run `kubelab up`: it writes the file again.")

    @property
    def image(self) -> MachineImage:
        """What the machine was made from."""
        mounts = {Path(here): there for here, there in self.mounts.items()}
        return MachineImage("", self.lower.readlink(), mounts)

    @property
    def work(self) -> Path:
        """The kernel's own folder for the overlay."""
        return self.folder / "work"

    @property
    def place(self) -> Path:
        """Where the overlay is mounted, in the machine's own mount namespace only."""
        return self.folder / "root"

    @property
    def console(self) -> Path:
        """What the machine printed while it started and ran."""
        return self.folder / "console.log"

    @property
    def host_key(self) -> Path:
        """The private key by which the machine's SSH server is known."""
        return self.upper / "etc/ssh/ssh_host_ed25519_key"

    @property
    def docker(self) -> Path:
        """What docker keeps."""
        return self.folder / "docker"

    @property
    def disks(self) -> dict[Path, str]:
        """Folders on the real disk: docker's overlay2 cannot stand on another overlay."""
        return {
            self.docker: "/var/lib/docker",
            self.folder / "kubelet": "/var/lib/kubelet",
        }


def lacks_sys_resource() -> bool:
    """Whether this host refuses to lower an OOM score, even to root."""
    probe = ["sh", "-c", "echo -1 > /proc/self/oom_score_adj"]
    return run(probe, check=False).code != 0


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def known_host(plan: MachinePlan) -> str:
    """Make the machine's SSH host key unless it is there; return its line for known_hosts."""
    kind, key, *_ = make_key(plan.host_key, plan.node.name).split()
    return f"{plan.node.address} {kind} {key}\n"


def prepare(plan: MachinePlan, image: MachineImage, public_key: str) -> None:
    """Write what makes the common root this machine, which must not run meanwhile.

    Everything but its SSH host key is written each time, which repairs an interrupted call.
    """
    if image.docker_store and not plan.docker.exists():
        baked.clone(image.docker_store, plan.docker)
    # kube-proxy mounts the last one. Machines with a kernel of their own have it anyway.
    made = (plan.upper, plan.work, plan.place, *plan.disks, plan.upper / "usr/lib/modules")
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    _link(plan.lower, str(image.path))
    note_mounts(plan, image)
    units = plan.upper / "etc/systemd/system"
    _put(plan.upper / "etc/hostname", f"{plan.node.name}\n")
    # With the root's own all machines would be the same one to Kubernetes.
    _put(plan.upper / "etc/machine-id", f"{short(f'{plan.lab}/{plan.node.name}', 32)}\n", 0o444)
    _put(plan.upper / "etc/resolv.conf", plan.network.resolver.text)
    _put(plan.upper / "etc/ssh/sshd_config.d/kubelab.conf", SSHD_BY_KEY)
    _put(plan.upper / "root/.ssh/authorized_keys", f"{public_key}\n", 0o600)
    for folder in (plan.upper / "root/.ssh", plan.upper / "root"):
        folder.chmod(0o700)
    network = plan.network.network
    unit = UNIT.format(
        address=plan.node.address,
        prefix=network.prefixlen,
        mtu=uplink_mtu(),
        gateway=plan.network.gateway,
    )
    _put(units / "kubelab-machine.service", unit)
    _link(units / "basic.target.wants/kubelab-machine.service", "../kubelab-machine.service")
    for name in MASKED:
        _link(units / name, "/dev/null")
    if lacks_sys_resource():
        _put(plan.upper / "usr/local/sbin/runc", RUNC, 0o755)


def note_mounts(plan: MachinePlan, image: MachineImage) -> None:
    """Write down which folders of this host the machine sees."""
    mounts = {str(here): there for here, there in image.mounts.items()}
    _put(plan.mounts_file, json.dumps(mounts))


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)


def remove_link(lab: str, node: str) -> None:
    """Remove the network link of a machine that was killed.

    The kernel removes it some time after the last process; a start before that would fail.
    """
    link = _link_of(lab, node)
    if Path("/sys/class/net", link).exists():
        run(["ip", "link", "delete", link], check=False)


def _link_of(lab: str, node: str) -> str:
    return f"vb-{_machine_name(lab, node)}"


def _machine_name(lab: str, node: str) -> str:
    # The link is named after it, and a link's name has at most 15 characters.
    return short(f"{lab}/{node}", 10)


def launch(plan: MachinePlan, groups: list[Path]) -> Callable[[], bool]:
    """Start the machine, which outlives this process. Returns a function: does it still run?

    Raises:
        LabError: the root that it was made on is gone.
        CommandError: systemd-nspawn or unshare is not installed.
    """
    if not plan.lower.is_dir():
        raise LabError(
            f"{plan.node.name}: the root that this machine was made on is gone",
            f"{plan.lower} -> {plan.lower.readlink()}",
            "Run `kubelab destroy` and `kubelab up`: a machine cannot be laid over another root.",
        )
    remove_link(plan.lab, plan.node.name)
    layers = {"lowerdir": plan.lower.resolve(), "upperdir": plan.upper, "workdir": plan.work}
    overlay = ",".join(f"{key}={path}" for key, path in layers.items())
    link = _link_of(plan.lab, plan.node.name)
    words = [overlay, str(plan.place), link, *map(str, groups), "--", *_options(plan)]
    script = ["sh", "-c", LAUNCH.read_text(encoding="utf-8"), "machine"]
    process = spawn(
        ["unshare", "--mount", "--propagation", "private", *script, *words],
        plan.console,
        # /proc/sys and /sys are this host's, but for /proc/sys/net, which each network has anew.
        env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
    )
    return lambda: process.poll() is None


def _options(plan: MachinePlan) -> list[str]:
    """The command line of systemd-nspawn, without its name."""
    binds = [f"--bind={here}:{there}" for here, there in plan.disks.items()]
    binds += [f"--bind-ro={here}:{there}" for here, there in plan.mounts.items()]
    return [
        "--boot",
        f"--directory={plan.place}",
        f"--machine={_machine_name(plan.lab, plan.node.name)}",
        f"--hostname={plan.node.name}",
        f"--network-bridge={plan.network.bridge}",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf perf_event_open",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--bind=/dev/kmsg",
        *binds,
    ]
