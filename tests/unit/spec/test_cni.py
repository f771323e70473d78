import pytest

from provisioner.artifacts.offer import offers
from provisioner.errors import SpecError
from provisioner.spec import parse_spec

WEAVE_IMAGES = {
    "artifacts_builds": {
        f"{name}-2.8.10": {"path": f"/{name}.tar", "sha256": "0" * 64}
        for name in ("weave-kube", "weave-npc")
    }
}


def refusal(spec):
    with pytest.raises(SpecError) as refused:
        parse_spec(spec, "lab.yml", offers)
    return refused.value.details


def test_weave_without_its_images_is_refused_with_what_to_give(good):
    good["cni"] = {"name": "weave"}
    said = refusal(good)
    assert "cni.name = 'weave'" in said
    assert "weave-kube-2.8.10: {path: FILE, sha256: SUM}" in said
    assert "weave-npc-2.8.10" in said


def test_weave_with_its_images_passes(good):
    good["cni"] = {"name": "weave", "mtu": 1300, "encryption": True}
    good["artifacts"]["overrides"] = WEAVE_IMAGES
    assert parse_spec(good, "lab.yml", offers).cni.mtu == 1300


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ("172.16.0.0/12", "no range that the host has a route into"),
        ("172.17.0.0/16", "no range that the host has a route into"),
        ("10.77.0.0/16", "overlaps networks.node"),
        ("10.244.0.0/30", "too small"),
        ("10.244.0.1/16", "not an IPv4 network"),
    ],
)
def test_a_range_that_weave_cannot_use_is_refused(good, pod, why):
    good["cni"] = {"name": "weave"}
    good["artifacts"]["overrides"] = WEAVE_IMAGES
    good["networks"]["pod"] = pod
    said = refusal(good)
    assert "networks.pod" in said
    assert why in said


@pytest.mark.parametrize(
    ("cni", "path", "said"),
    [
        ({"name": "calico"}, "cni.name", "use flannel or bridge or weave"),
        ({"backend": "vxlan"}, "cni.name", "use flannel or bridge or weave"),
        ({"name": "flannel", "backend": "udp"}, "cni.backend", "vxlan"),
        ({"name": "flannel", "bakend": "vxlan"}, "cni.bakend", "did you mean 'backend'?"),
        ({"name": "bridge", "mtu": 1}, "cni.mtu", "unknown key"),
        ({"name": "weave", "mtu": -1}, "cni.mtu", "greater than or equal to 0"),
        ({"name": "weave", "password_file": "p"}, "cni.password_file", "not an absolute path"),
        ({"name": "weave", "iptables_backend": "old"}, "cni.iptables_backend", "legacy"),
    ],
)
def test_options_of_another_network_are_refused_with_their_key(good, cni, path, said):
    good["cni"] = cni
    details = refusal(good)
    assert f"lab.yml: {path}" in details
    assert said in details
