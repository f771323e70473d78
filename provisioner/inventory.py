"""The only place that turns a spec, traits and access into Ansible variables.

Roles read the contents of the artifact set from its manifest, not from the inventory.

Ansible evaluates every string of an inventory as a template, and a template can start programs on
this host. So every string is tagged ``!unsafe`` here: Ansible passes such a string on as it is.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioner.model import Access, Traits
from provisioner.spec import GROUPS, LabSpec

UNSAFE_JSON = "__ansible_unsafe"
"""The key of the object that stands for a string without templates in Ansible's JSON."""


class _Verbatim(str):
    """A string that Ansible must not evaluate."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes ``_Verbatim`` strings with Ansible's tag for them."""


_Dumper.add_representer(
    _Verbatim, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'")
)


def verbatim(value: Any, mark: Callable[[str], Any] = _Verbatim) -> Any:
    """``value`` with ``mark`` around every string, except keys, which Ansible does not evaluate."""
    if isinstance(value, str):
        return mark(value)
    if isinstance(value, Mapping):
        return {key: verbatim(inner, mark) for key, inner in value.items()}
    return [verbatim(inner, mark) for inner in value] if isinstance(value, list | tuple) else value


HEAD = """\
# The inventory of lab {name}, written from its spec; the next `kubelab up` overwrites it.
# It also works without kubelab:  ansible-playbook -i {path} playbooks/site.yml
"""
# The path on nodes of a set that roles copied there, or that a box contains.
SET_ON_NODES = "/var/lib/kubelab/artifacts"
# The data folder of each runtime, and the systemd units that use it.
RUNTIME_DATA = {"docker": ("/var/lib/docker", ["docker.socket", "docker.service"])}
# From this factor of slowness on, as with emulation, machines get the values below.
SLOW = 2
ON_SLOW_MACHINES: Mapping[str, Any] = {
    "ansible_ssh_timeout": 60,
    "control_plane_init_timeout": 1200,
    "control_plane_leader_election": False,
    # kubeadm generates a dozen keys in sequence; RSA keys take most of kubeadm's own time.
    "control_plane_encryption_algorithm": "ECDSA-P256",
    # The metrics of this feature take half of the processor time of an idle API server 1.20.
    "control_plane_api_server_args": {"enable-priority-and-fairness": "false"},
    # Joins in sequence left processors idle (docs/benchmarks.md); more than two were not tested.
    "join_at_once": 2,
    "join_token_ttl": "1h",
    "cni_ready_timeout": 900,
    "dashboard_ready_timeout": 900,
    # Housekeeping every ten seconds takes a sixth of the processor time of an idle kubelet.
    "kubernetes_kubelet_extra_args": "--housekeeping-interval=1m",
}
# Of machines that are not slow. By default kubelet looks at its node every ten seconds, and a node
# that has just got its network waits for that look. What did not change is reported as seldom as
# before.
KUBELET_LOOKS: Mapping[str, str] = {
    "nodeStatusUpdateFrequency": "2s",
    "nodeStatusReportFrequency": "5m0s",
}


@dataclass(frozen=True)
class Places:
    """Paths for an inventory: on this host, except ``artifacts_on_nodes``."""

    inventory: Path
    kubeconfig: Path
    artifacts: Path
    artifacts_on_nodes: str = SET_ON_NODES


def _spec_variables(spec: LabSpec, places: Places) -> dict[str, Any]:
    options = spec.cni.model_dump(exclude={"name"})
    found = {
        "kubernetes_version": spec.kubernetes.version,
        "kubernetes_pod_cidr": spec.networks.pod,
        "kubernetes_service_cidr": spec.networks.service,
        "runtime_name": spec.runtime.name,
        "runtime_cgroup_driver": spec.runtime.cgroup_driver,
        "kubernetes_hardening": spec.hardening,
        "cni_name": spec.cni.name,
        **{f"cni_{spec.cni.name}_{key}": value for key, value in options.items()},
        **{f"dashboard_{key}": value for key, value in spec.dashboard.model_dump().items()},
        "artifacts_dir": str(places.artifacts),
        "artifacts_node_dir": places.artifacts_on_nodes,
        "control_plane_kubeconfig_local": str(places.kubeconfig),
    }
    if spec.artifacts.proxy:
        found["node_proxy"] = spec.artifacts.proxy
    # docker uses mirrors of this one registry only.
    if mirror := spec.artifacts.registry_mirror.get("docker.io"):
        mirrors = {"registry-mirrors": [mirror]}
        found[f"runtime_{spec.runtime.name}_daemon_extra"] = mirrors
    return found


def _access_variables(access: Access, traits: Traits) -> dict[str, Any]:
    # A package manager for Python 2 has no bindings for Python 3.
    python = f"python{traits.python}" if traits.python.startswith("2.") else "python3"
    return {
        "ansible_user": access.user,
        # Otherwise each task of root would run through sudo.
        "ansible_become": access.user != "root",
        "ansible_ssh_private_key_file": str(access.key),
        "ansible_ssh_common_args": shlex.join(["-F", "/dev/null", *access.options]),
        "ansible_python_interpreter": f"/usr/bin/{python}",
    }


def _traits_variables(traits: Traits, runtime: str) -> dict[str, Any]:
    slow = traits.slowness >= SLOW
    found: dict[str, Any] = dict(ON_SLOW_MACHINES) if slow else {}
    kubelet: dict[str, Any] = {"runtimeRequestTimeout": "15m0s"} if slow else dict(KUBELET_LOOKS)
    if not traits.own_swap:
        found["node_swap_off"] = False
        kubelet["failSwapOn"] = False
    if not traits.own_disk:
        # All machines share the host's disk, which other programs may have nearly filled.
        kubelet["evictionHard"] = {"nodefs.available": "1Gi", "memory.available": "100Mi"}
        kubelet["imageGCHighThresholdPercent"] = 100
    found["kubernetes_kubelet_config"] = kubelet
    if traits.shared_kernel:
        # The host owns connection tracking: its limits cannot be set from inside a machine.
        found["control_plane_kube_proxy_config"] = {"conntrack": {"maxPerCore": 0}}
        # They are the host's parameters of the kernel, and kubelet stops where they differ.
        found["kubernetes_protect_kernel"] = False
        # The configuration of the host's kernel is not on the machine's disk.
        found["control_plane_ignore_preflight_errors"] = ["SystemVerification"]
    if traits.runtime_disk:
        mount, services = RUNTIME_DATA[runtime]
        disk = {"disk": traits.runtime_disk, "mount": mount, "services": services}
        found["storage_volumes"] = [disk]
    return found


def variables(spec: LabSpec, traits: Traits, access: Access, places: Places) -> dict[str, Any]:
    """All Ansible variables of a lab's hosts."""
    return {
        **_spec_variables(spec, places),
        **_access_variables(access, traits),
        **_traits_variables(traits, spec.runtime.name),
    }


def render_inventory(spec: LabSpec, traits: Traits, access: Access, places: Places) -> str:
    """The YAML inventory: groups ``control_plane`` and ``workers``, both in ``cluster``."""

    def hosts(role: str) -> dict[str, Any]:
        return {
            node.name: verbatim({"ansible_host": node.address, "node_ip": node.address})
            for node in spec.nodes
            if node.role == role
        }

    cluster, control_plane, workers = GROUPS
    inventory = {
        cluster: {
            "vars": verbatim(variables(spec, traits, access, places)),
            "children": {
                control_plane: {"hosts": hosts("control-plane")},
                workers: {"hosts": hosts("worker")},
            },
        }
    }
    head = HEAD.format(name=spec.name, path=places.inventory)
    return head + yaml.dump(inventory, Dumper=_Dumper, sort_keys=False, width=1000)
