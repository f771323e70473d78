"""A lab spec turned into a Vagrantfile. Pure functions: text comes back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import jinja2

from provisioner.model import DOCKER_DISK, Node
from provisioner.spec import VagrantOptions

VAGRANTFILE = Path(__file__).resolve().parents[1] / "Vagrantfile.j2"
BOOT_SECONDS = {"kvm": 300, "qemu": 1200}
# A machine's share of the processors where emulated machines compete for them. Only the proportion
# among libvirt's domains counts; the default is 1024 with cgroup v1, and 100 with v2.
SHARES = {"control-plane": 800, "worker": 200}
# Features that QEMU emulates and a guest is faster without. Measured for all four together
# (docs/benchmarks.md); the reasons follow from how QEMU and Linux work. `erms`: the kernel
# copies and clears memory a byte at a time. `la57`: page tables of five levels, each of them a step
# of every walk. `pku`: a register that changes at each turn to an idle processor, which empties the
# cache of addresses. `smap`: two switches of the translator's mode around each copy from or to a
# process; it guards a kernel against its own processes.
CPU_WITHOUT = ("erms", "la57", "pku", "smap")


@dataclass(frozen=True)
class BoxFile:
    """A box as vagrant knows it: its name, and where it comes from while vagrant lacks it."""

    name: str
    url: str = ""


@dataclass(frozen=True)
class VagrantLab:
    """What a Vagrantfile is made from beyond the spec's own options.

    ``prefix`` and ``mark`` make what belongs to the lab known on its host; ``pool`` is the storage
    pool, ``consoles`` the folder for what machines print while they boot.
    """

    lab: str
    nodes: Sequence[Node]
    network: IPv4Network
    driver: str
    box: BoxFile
    prefix: str
    mark: str
    pool: str
    consoles: str


def _ruby(value: Any) -> str:
    """A value as Ruby writes it; interpolation in a text would need a hash sign."""
    return json.dumps(value).replace("#", "\\#")


def _disks(node: Node, docker_gib: int) -> list[dict[str, Any]]:
    disks = [{"gib": docker_gib, "serial": DOCKER_DISK}] if docker_gib else []
    more = enumerate(node.disks_gib, start=1)
    return disks + [{"gib": gib, "serial": f"kubelab-data{number}"} for number, gib in more]


def render_vagrantfile(lab: VagrantLab, options: VagrantOptions) -> str:
    """The Vagrantfile of a lab. Raises jinja2's UndefinedError where the template asks for more."""
    emulated = lab.driver == "qemu"
    # All that emulation can do: without AES instructions TLS is most of an API server's work.
    most = "maximum" if emulated else "host-passthrough"
    cpu_mode = "custom" if options.cpu_model else most
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        # It is Ruby that comes out: every value goes through the filter.
        autoescape=False,  # noqa: S701
    )
    environment.filters["ruby"] = _ruby
    # A baked box brings it, with images on it.
    docker_gib = 0 if options.box.baked else options.docker_disk_gib
    values = vars(lab) | options.model_dump(exclude={"name", "box", "driver"})
    values |= {
        "cpu_mode": cpu_mode,
        "cpu_without": CPU_WITHOUT if cpu_mode == "maximum" else (),
        "management_network": options.management,
        "netmask": str(lab.network.netmask),
        "boot_timeout": BOOT_SECONDS[lab.driver],
        "shares": SHARES if emulated else {},
        "nodes": [vars(n) | {"disks": _disks(n, docker_gib)} for n in lab.nodes],
    }
    return environment.from_string(VAGRANTFILE.read_text(encoding="utf-8")).render(values)
