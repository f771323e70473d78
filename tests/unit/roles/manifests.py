"""Made-up manifests of artifact sets, and the variables of roles that read them."""

import copy
import functools
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar

ROLES = Path(__file__).resolve().parents[3] / "roles"
# Only once in a process, and without it no lookup is found.
init_plugin_loader()
VERSIONS = {
    "1.20.2": ("kubeadm.k8s.io/v1beta2", "dockershim", "0.4.0"),
    "1.31.4": ("kubeadm.k8s.io/v1beta4", "cri-dockerd", "1.0.0"),
    "1.31.14": ("kubeadm.k8s.io/v1beta4", "cri-dockerd", "1.0.0"),
}


def images(repository: str = "kubelab.local", **tags: str) -> dict[str, Any]:
    """Images of a component by name, with what roles read of them."""
    names = {name.replace("_", "-"): tag for name, tag in tags.items()}
    return {
        name: {"reference": f"{repository}/{name}:{tag}", "tag": tag} for name, tag in names.items()
    }


def manifest(version: str = "1.20.2", *more: dict[str, Any]) -> dict[str, Any]:
    """What a set of this version has, with flannel and docker; and more components."""
    api, cri, cni = VERSIONS[version]
    kubernetes = {
        "kind": "kubernetes",
        "name": "kubernetes",
        "version": version,
        "settings": {"kubeadm_api": api, "cri": cri, "cni_version": cni},
        "images": images(pause="3.2", coredns="1.10.1", etcd="3.4.23-0"),
    }
    docker = {
        "kind": "runtime",
        "name": "docker",
        "version": "distribution",
        "packages": {
            "Debian": ["docker.io"],
            "RedHat": ["docker-ce"],
            "RedHat-7": ["docker-ce-26.1.4-1.el7"],
        },
        "repositories": {"RedHat-7": {"base": {"file": "CentOS-Base", "url": "u", "key": "k"}}},
    }
    flannel = {
        "kind": "cni",
        "name": "flannel",
        "version": "0.28.4",
        "images": images(flannel="v0.28.4"),
    }
    return {
        "schema": 1,
        "repository": "kubelab.local",
        "components": [kubernetes, docker, flannel, *more],
    }


def read(path: Path) -> dict[str, Any]:
    """Variables of one file."""
    return yaml.safe_load(path.read_text()) or {}


@functools.cache
def _variables(*roles: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for role in ("common", *roles):
        for part in ("defaults", "vars"):
            files = [
                ROLES / role / part / "main.yml",
                *(ROLES / role / part / "main").glob("*.yml"),
            ]
            for path in files:
                found |= read(path) if path.is_file() else {}
        filter_loader.add_directory(str(ROLES / role / "filter_plugins"))
    return found


def variables(*roles: str) -> dict[str, Any]:
    """Defaults and variables of roles, those of the role common among them."""
    return copy.deepcopy(_variables(*roles))


def templar(*roles: str, **more: Any) -> Templar:
    """Renders as Ansible does in these roles, on a host named master of a set as above."""
    host = {"inventory_hostname": "master", "node_ip": "10.77.0.10", "ansible_host": "10.77.0.10"}
    own = {
        **host,
        "groups": {"control_plane": ["master"], "workers": [], "cluster": ["master"]},
        "hostvars": {"master": host},
        "common_manifest": manifest(),
    }
    found = Templar(DataLoader(), variables={**variables(*roles), **own, **more})
    found.environment.loader.searchpath = [str(ROLES / role / "templates") for role in roles]
    return found


def render(role: str, template: str, **more: Any) -> str:
    """One template of a role."""
    text = (ROLES / role / "templates" / template).read_text()
    return templar(role, **more).do_template(text, preserve_trailing_newlines=True)
