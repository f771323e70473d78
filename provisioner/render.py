"""Rendering the Vagrantfile of a lab. The functions are pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import jinja2

from provisioner.model import DOCKER_DISK, Node, PublishedBox
from provisioner.spec import VagrantOptions

VAGRANTFILE = Path(__file__).resolve().parents[1] / "Vagrantfile.j2"
BOOT_SECONDS = {"kvm": 300, "qemu": 1200}
# CPU shares of emulated machines, which compete for the host's processors. Only the proportion
# among libvirt's domains counts; the default is 1024 with cgroup v1, and 100 with v2.
SHARES = {"control-plane": 800, "worker": 200}
# Emulated CPU features that slow a guest down. Measured for all four together
# (docs/benchmarks.md); the reasons follow from how QEMU and Linux work. `erms`: the kernel
# copies and clears memory byte by byte. `la57`: page tables have five levels, and each page walk
# reads all of them. `pku`: a register changes at each switch to an idle task, which flushes the
# TLB. `smap`: the translator switches its mode twice around each copy from or to a process; the
# feature only protects a kernel against its own processes.
CPU_WITHOUT = ("erms", "la57", "pku", "smap")


@dataclass(frozen=True)
class BoxFile:
    """A box as vagrant knows it: its name, and the file on this host, if vagrant has to add it.

    A fetched box has its publisher's name, and is had from ``published`` where the file is gone.
    """

    name: str
    file: Path | None = None
    published: PublishedBox | None = None

    @property
    def url(self) -> str:
        """The URL of the file; empty without one."""
        return self.file.as_uri() if self.file else ""


@dataclass(frozen=True)
class VagrantLab:
    """The input of a Vagrantfile, in addition to the spec's options.

    ``prefix`` and ``mark`` identify the lab's domains, volumes and networks on its host, and
    ``folder`` is where its files are, for a host whose labs are listed. ``pool``
    is the storage pool, and ``consoles`` the folder for the output of the machines' consoles.
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
    folder: Path


def _ruby(value: Any) -> str:
    """A value as a Ruby literal.

    JSON's literals are Ruby's, except that Ruby has no pairs of surrogates, and evaluates what
    follows a hash sign in a string.
    """
    # A value that is not given has no text, and says so.
    return json.dumps(value, ensure_ascii=False, default=str).replace("#", "\\#")


def _disks(node: Node, docker_gib: int) -> list[dict[str, Any]]:
    disks = [{"gib": docker_gib, "serial": DOCKER_DISK}] if docker_gib else []
    more = enumerate(node.disks_gib, start=1)
    return disks + [{"gib": gib, "serial": f"kubelab-data{number}"} for number, gib in more]


def render_vagrantfile(lab: VagrantLab, options: VagrantOptions) -> str:
    """The text of a lab's Vagrantfile.

    Raises:
        jinja2.UndefinedError: the template needs a value that is not given.
    """
    emulated = lab.driver == "qemu"
    # "maximum" includes AES instructions: without them an API server mostly computes TLS.
    most = "maximum" if emulated else "host-passthrough"
    cpu_mode = "custom" if options.cpu_model else most
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        # The output is Ruby: every value becomes a literal, whatever the template does with it.
        autoescape=False,  # noqa: S701
        finalize=_ruby,
    )
    # A baked box contains the docker disk, with images on it.
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
