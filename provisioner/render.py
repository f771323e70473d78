"""A lab spec turned into the files that other programs read. Pure functions: text comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioner.spec import LabSpec

INVENTORY_HEAD = """\
# The inventory of lab {name}, written from its spec; the next `kubelab up` writes it anew.
# It serves without kubelab too:  ansible-playbook -i {path} playbooks/site.yml
"""


@dataclass(frozen=True)
class Places:
    """Where an inventory finds what is not in the spec; paths on this host, and one on nodes."""

    inventory: Path
    kubeconfig: Path
    artifacts: Path
    artifacts_on_nodes: str


def cluster_vars(spec: LabSpec, places: Places) -> dict[str, Any]:
    """The Ansible variables that follow from the spec alone."""
    return {
        "kubernetes_version": spec.kubernetes.version,
        "kubernetes_pod_cidr": spec.networks.pod,
        "kubernetes_service_cidr": spec.networks.service,
        "docker_cgroup_driver": spec.runtime.cgroup_driver,
        "cni_name": spec.cni.name,
        "artifacts_dir": str(places.artifacts),
        "artifacts_node_dir": places.artifacts_on_nodes,
        "control_plane_kubeconfig_local": str(places.kubeconfig),
    }


def render_inventory(
    spec: LabSpec,
    places: Places,
    group_vars: Mapping[str, Any],
    catalogue: Mapping[str, Any],
) -> str:
    """The YAML inventory: groups ``control_plane`` and ``workers``, both in ``cluster``.

    ``group_vars`` come from the provider: only it knows how its machines are reached and what is
    peculiar about them. ``catalogue`` has the keys of the catalogue that the spec overrides.
    """

    def hosts(role: str) -> dict[str, Any]:
        return {
            node.name: {"ansible_host": node.address, "node_ip": node.address}
            for node in spec.nodes
            if node.role == role
        }

    inventory = {
        "cluster": {
            "vars": cluster_vars(spec, places) | dict(catalogue) | dict(group_vars),
            "children": {
                "control_plane": {"hosts": hosts("control-plane")},
                "workers": {"hosts": hosts("worker")},
            },
        }
    }
    head = INVENTORY_HEAD.format(name=spec.name, path=places.inventory)
    return head + yaml.safe_dump(inventory, sort_keys=False, width=100)
