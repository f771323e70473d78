"""What every pod of ours says of itself: its seccomp profile, its probes and what it needs."""

from typing import Any

import pytest
import yaml

from tests.unit.roles.manifests import ROLES, images, manifest, read, render

SECCOMP = {"type": "RuntimeDefault"}
# Of it no release says where it answers: a probe of a port that it does not have would end it.
WITHOUT_PROBES = {"weave-npc"}
COMPONENTS = {
    "weave": ("cni", images("r", weave_kube="2", weave_npc="2")),
    "headlamp": ("dashboard", images(headlamp="1")),
    "kube-web-view": ("dashboard", images(kube_web_view="1")),
    "kubernetes-dashboard": ("dashboard", images(dashboard="2", metrics_scraper="1")),
}


def objects(role: str, name: str) -> list[dict[str, Any]]:
    """The objects of a pod network or of a dashboard."""
    found = manifest()
    if name in COMPONENTS:
        kind, own = COMPONENTS[name]
        kept = [c for c in found["components"] if c["kind"] != kind]
        component = {"kind": kind, "name": name, "version": "1", "images": own}
        found["components"] = [*kept, component]
    text = render(role, f"{name}.yml.j2", common_manifest=found)
    return [item for item in yaml.safe_load_all(text) if item]


def templates() -> list[tuple[str, str]]:
    networks = [
        ("cni", network["template"].removesuffix(".yml.j2"))
        for path in (ROLES / "cni/vars/main").glob("*.yml")
        for network in [read(path).get(f"cni_network_{path.stem}", {"template": ""})]
        if network["template"]
    ]
    pages = [("dashboard", path.stem) for path in (ROLES / "dashboard/vars/main").glob("*.yml")]
    return [*networks, *(page for page in pages if page[1] != "main")]


PODS = [
    pytest.param(item["spec"]["template"]["spec"], id=f"{name}: {item['metadata']['name']}")
    for role, name in templates()
    for item in objects(role, name)
    if "template" in item.get("spec", {})
]


def test_the_pods_of_all_networks_and_dashboards_are_seen():
    assert len(PODS) == 6


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_has_the_seccomp_profile_of_the_runtime(pod):
    assert pod["securityContext"]["seccompProfile"] == SECCOMP
    # On a container it would win.
    everything = pod["containers"] + pod.get("initContainers", [])
    assert not [c for c in everything if "seccompProfile" in c.get("securityContext", {})]


@pytest.mark.parametrize("pod", PODS)
def test_a_container_says_what_it_needs_and_how_it_is(pod):
    for container in pod["containers"] + pod.get("initContainers", []):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), container["name"]
    for container in pod["containers"]:
        if container["name"] not in WITHOUT_PROBES:
            assert {"readinessProbe", "livenessProbe"} <= set(container), container["name"]
            # It is ended later than it is taken out of service.
            alive = container["livenessProbe"]
            assert alive["periodSeconds"] * alive["failureThreshold"] >= 60
