"""What virtual machines by emulation need that others do not: patience, and no crowds."""

from collections.abc import Mapping
from typing import Any

# By how much slower, by libvirt's name of the driver. Measured by emulation on two cores: kubeadm
# init took 150 s, against 19 s in a container.
SLOWNESS = {"kvm": 1.0, "qemu": 8.0}
STOP_SECONDS = {"kvm": 90.0, "qemu": 300.0}

# Role variables, and how long Ansible's ssh waits.
ROLE_VARS: Mapping[str, Any] = {
    "ansible_ssh_timeout": 60,
    "control_plane_init_timeout": 1200,
    "control_plane_leader_election": False,
    # kubeadm makes a dozen keys one by one; RSA's want the most work of all that it does itself.
    "control_plane_encryption_algorithm": "ECDSA-P256",
    # Half of what an idle API server 1.20 does is to keep the figures of this.
    "control_plane_api_server_args": {"enable-priority-and-fairness": "false"},
    # One after the other left processors idle (docs/benchmarks.md); more than two were not tried.
    "worker_joins_at_once": 2,
    "worker_join_ttl": "1h",
    "cni_ready_timeout": 900,
    "dashboard_ready_timeout": 900,
    # A look at every container each ten seconds is a sixth of what an idle kubelet does.
    "kubernetes_kubelet_extra_args": "--housekeeping-interval=1m",
    "kubernetes_kubelet_config": {"runtimeRequestTimeout": "15m0s"},
}
