"""The only place that turns a spec, traits and access into the variables of Ansible.

What is in the artifact set the roles read for themselves, from its manifest.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioner.model import Access, Traits
from provisioner.spec import LabSpec

HEAD = """\
# The inventory of lab {name}, written from its spec; the next `kubelab up` writes it anew.
# It serves without kubelab too:  ansible-playbook -i {path} playbooks/site.yml
"""
# Where nodes have a set that roles copied there, or that a box brought.
SET_ON_NODES = "/var/lib/kubelab/artifacts"
# Where a runtime keeps images and containers, and the units that use that folder.
RUNTIME_DATA = {"docker": ("/var/lib/docker", ["docker.socket", "docker.service"])}
# Machines that are by so much slower, as emulated ones are, have their own values.
SLOW = 2
ON_SLOW_MACHINES: Mapping[str, Any] = {
    "ansible_ssh_timeout": 60,
    "control_plane_init_timeout": 1200,
    "control_plane_leader_election": False,
    # kubeadm makes a dozen keys one by one; RSA's want the most work of all that it does itself.
    "control_plane_encryption_algorithm": "ECDSA-P256",
    # Half of what an idle API server 1.20 does is to keep the figures of this.
    "control_plane_api_server_args": {"enable-priority-and-fairness": "false"},
    # One after the other left processors idle (docs/benchmarks.md); more than two were not tried.
    "join_at_once": 2,
    "join_token_ttl": "1h",
    "cni_ready_timeout": 900,
    "dashboard_ready_timeout": 900,
    # A look at every container each ten seconds is a sixth of what an idle kubelet does.
    "kubernetes_kubelet_extra_args": "--housekeeping-interval=1m",
}


@dataclass(frozen=True)
class Places:
    """Where an inventory finds what is not in the spec; paths on this host, and one on nodes."""

    inventory: Path
    kubeconfig: Path
    artifacts: Path
    artifacts_on_nodes: str = SET_ON_NODES


def _of_the_spec(spec: LabSpec, places: Places) -> dict[str, Any]:
    options = spec.cni.model_dump(exclude={"name"})
    found = {
        "kubernetes_version": spec.kubernetes.version,
        "kubernetes_pod_cidr": spec.networks.pod,
        "kubernetes_service_cidr": spec.networks.service,
        "runtime_name": spec.runtime.name,
        "runtime_cgroup_driver": spec.runtime.cgroup_driver,
        "cni_name": spec.cni.name,
        **{f"cni_{spec.cni.name}_{key}": value for key, value in options.items()},
        **{f"dashboard_{key}": value for key, value in spec.dashboard.model_dump().items()},
        "artifacts_dir": str(places.artifacts),
        "artifacts_node_dir": places.artifacts_on_nodes,
        "control_plane_kubeconfig_local": str(places.kubeconfig),
    }
    if spec.artifacts.proxy:
        found["node_proxy"] = spec.artifacts.proxy
    if spec.artifacts.registry_mirror:
        mirrors = {"registry-mirrors": [spec.artifacts.registry_mirror]}
        found[f"runtime_{spec.runtime.name}_daemon_extra"] = mirrors
    return found


def _of_the_access(access: Access, traits: Traits) -> dict[str, Any]:
    # A package manager of the time of Python 2 has no bindings for any other.
    python = f"python{traits.python}" if traits.python.startswith("2.") else "python3"
    return {
        "ansible_user": access.user,
        # As root there is nothing to become, and without this each task would go through sudo.
        "ansible_become": access.user != "root",
        "ansible_ssh_private_key_file": str(access.key),
        "ansible_ssh_common_args": shlex.join(["-F", "/dev/null", *access.options]),
        "ansible_python_interpreter": f"/usr/bin/{python}",
    }


def _of_the_traits(traits: Traits, runtime: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(ON_SLOW_MACHINES) if traits.slowness >= SLOW else {}
    kubelet: dict[str, Any] = {"runtimeRequestTimeout": "15m0s"} if found else {}
    if not traits.own_swap:
        found["node_swap_off"] = False
        kubelet["failSwapOn"] = False
    if not traits.own_disk:
        # The disk is the host's, and shared by all machines: it may be nearly full for others.
        kubelet["evictionHard"] = {"nodefs.available": "1Gi", "memory.available": "100Mi"}
        kubelet["imageGCHighThresholdPercent"] = 100
    if kubelet:
        found["kubernetes_kubelet_config"] = kubelet
    if traits.shared_kernel:
        # Connection tracking is the host's: its limits cannot be set from inside.
        found["control_plane_kube_proxy_config"] = {"conntrack": {"maxPerCore": 0}}
        # The kernel is the host's, and its configuration is not on the machine's disk.
        found["control_plane_ignore_preflight_errors"] = ["SystemVerification"]
    if traits.runtime_disk:
        mount, services = RUNTIME_DATA[runtime]
        disk = {"disk": traits.runtime_disk, "mount": mount, "services": services}
        found["storage_volumes"] = [disk]
    return found


def variables(spec: LabSpec, traits: Traits, access: Access, places: Places) -> dict[str, Any]:
    """All variables of a lab's hosts."""
    return {
        **_of_the_spec(spec, places),
        **_of_the_access(access, traits),
        **_of_the_traits(traits, spec.runtime.name),
    }


def render_inventory(spec: LabSpec, traits: Traits, access: Access, places: Places) -> str:
    """The YAML inventory: groups ``control_plane`` and ``workers``, both in ``cluster``."""

    def hosts(role: str) -> dict[str, Any]:
        return {
            node.name: {"ansible_host": node.address, "node_ip": node.address}
            for node in spec.nodes
            if node.role == role
        }

    inventory = {
        "cluster": {
            "vars": variables(spec, traits, access, places),
            "children": {
                "control_plane": {"hosts": hosts("control-plane")},
                "workers": {"hosts": hosts("worker")},
            },
        }
    }
    head = HEAD.format(name=spec.name, path=places.inventory)
    return head + yaml.safe_dump(inventory, sort_keys=False, width=100)
