"""Hostile strings in every free field of the schema: each is refused, or read back as it is.

The schema is walked, so a new field is tried without a new test. What a spec becomes is rendered
(lab.yml, inventory, Vagrantfile, kubeadm's configuration, manifests) and parsed again.
"""

import contextlib
import json
import re
from collections.abc import Collection
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.utils.unsafe_proxy import wrap_var
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.errors import SpecError
from provisioner.inventory import Places, render_inventory, variables
from provisioner.lab import Lab
from provisioner.model import Access, PublishedBox, Traits
from provisioner.render import BoxFile, VagrantLab, render_vagrantfile
from provisioner.spec import Offer, VagrantOptions, parse_spec, read_stored
from tests.unit.roles.manifests import images, manifest, render
from tests.unit.spec.places import HOSTILE, LEAVES, TEXTS, put, shown

# What a field may want before it takes any text at all.
SHAPES = ["{}", "/{}", "https://h/{}", "qemu+ssh://{}/system"]


class Everything(Collection):
    """What a catalogue offers that has every name that the real one could have."""

    def __contains__(self, name: object) -> bool:
        return str(name).isascii()

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 1


ANY = Everything()
KINDS = ("kubernetes", "runtime", "cni", "dashboard", "addon")


def everything(_):
    return Offer(dict.fromkeys(KINDS, ANY), boxes=ANY)


def test_the_schema_was_walked():
    paths = {shown(at) for at in LEAVES}
    assert {
        "name",
        "kubernetes.version",
        "nodes.0.name",
        "addons.0",
        "networks.pod",
        "artifacts.mirrors.KEY",
        "artifacts.mirrors.https://h/k",
        "artifacts.registry_mirror.x",
        "cni.('weave',).password_file",
        "provider.('vagrant',).synced_folder",
        "provider.('vagrant',).box.name",
    } <= paths
    assert len(paths) > 45


# Text of which a few signs are enough, none of which means anything anywhere.
CLOSED = {
    *("nodes.0.address", "networks.node", "networks.pod", "networks.service"),
    *("provider.('vagrant',).management", "provider.('machine',).expose.0"),
}


def takes(at, shape):
    try:
        parse_spec(put(at, shape.format("x")), "lab.yml", everything)
    except SpecError:
        return False
    return True


def test_every_field_of_text_is_tried_with_text_that_it_takes():
    """A new field that takes no shape of ours would be refused each time, and never be tried."""
    refused = {shown(at) for at in TEXTS if not any(takes(at, shape) for shape in SHAPES)}
    assert refused == CLOSED, "add a shape that it takes to SHAPES, or say here that it is closed"


ACCESS = Access("root", Path("/k"), Path("/h"))
PLACES = Places(Path("/i.yml"), Path("/kubeconfig"), Path("/set"))
SLOW = Traits(shared_kernel=True, own_swap=False, own_disk=False, slowness=8)


def check_lab_file(spec, tmp_path):
    file = tmp_path / "lab.yml"
    file.write_text(Lab("x").spec_text(spec))
    assert read_stored(file).spec == spec


def check_inventory(spec):
    text = render_inventory(spec, SLOW, ACCESS, PLACES)
    found = DataLoader().load(text)["cluster"]
    assert found["vars"] == variables(spec, SLOW, ACCESS, PLACES)
    hosts = {k: v for group in found["children"].values() for k, v in group["hosts"].items()}
    assert hosts == {n.name: {"ansible_host": n.address, "node_ip": n.address} for n in spec.nodes}
    assert all(isinstance(name, str) for name in hosts)
    return found["vars"]


def texts(value):
    """Every text that is not empty in a value."""
    if isinstance(value, dict):
        return [text for below in value.values() for text in texts(below)]
    return [value] if isinstance(value, str) and value else []


def check_vagrantfile(spec):
    options = spec.provider
    if not isinstance(options, VagrantOptions):
        return
    name = options.box.name
    box = BoxFile(name, Path(f"/{name}"), PublishedBox(name, name, f"https://{name}", name))
    text = render_vagrantfile(
        VagrantLab(
            *(spec.name, spec.machines, IPv4Network(spec.networks.node), "kvm", box),
            *(f"kubelab-{spec.name}-", spec.name, "pool", "/consoles", Path("/lab")),
        ),
        options,
    )
    literals = re.findall(r'"(?:[^"\\\n]|\\.)*"', text)
    # Outside of literals there is only what the template has.
    assert "touch" not in re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text)
    assert not [literal for literal in literals if re.search(r"(?<!\\)#[{$@]", literal)]
    values = [json.loads(literal.replace("\\#", "#")) for literal in literals]
    wanted = [n.name for n in spec.nodes]
    wanted += texts(options.model_dump(exclude={"name", "driver"}))
    assert [value for value in wanted if value not in values] == []


# What was rendered and compared once: most values reach no object of Kubernetes.
RENDERED: set[str] = set()


def check_kubernetes(spec, given):
    """What kubeadm and the API server get."""
    parts = json.dumps([given, spec.control_plane.model_dump()], sort_keys=True)
    if parts in RENDERED:
        return
    RENDERED.add(parts)
    plane = spec.control_plane.name
    own = {"inventory_hostname": plane, "node_ip": spec.control_plane.address}
    given = {
        **given,
        **own,
        "groups": {"control_plane": [plane], "cluster": [plane]},
        "hostvars": {plane: own},
        "common_images": dict.fromkeys(
            ("flannel", "weave-kube", "weave-npc"), given["kubernetes_version"]
        ),
    }
    for api in ("1.20.2", "1.31.4"):
        text = render("control_plane", "kubeadm.yml.j2", common_manifest=manifest(api), **given)
        init, cluster, kubelet, _ = yaml.safe_load_all(text)
        assert init["nodeRegistration"]["name"] == plane
        assert cluster["kubernetesVersion"] == f"v{spec.kubernetes.version}"
        assert cluster["networking"] == {
            "podSubnet": spec.networks.pod,
            "serviceSubnet": spec.networks.service,
        }
        assert kubelet["cgroupDriver"] == spec.runtime.cgroup_driver
    if spec.cni.name in ("flannel", "weave"):
        objects = list(yaml.safe_load_all(render("cni", f"{spec.cni.name}.yml.j2", **given)))
        pod = objects[-1]["spec"]["template"]["spec"]
        assert {c["image"] for c in pod["containers"]} == {spec.kubernetes.version}
    page = {"dashboard_page": {"login": "token", "scheme": "http", "port": 80, "target": 80}}
    for template in ("accounts.yml.j2", "service.yml.j2"):
        objects = list(yaml.safe_load_all(render("dashboard", template, **given, **page)))
        names = [item["metadata"]["name"] for item in objects if item]
        assert spec.dashboard.name in names


def shape_of(at):
    """The first shape that a field takes; the first one for a field that takes no text."""
    return next((shape for shape in SHAPES if takes(at, shape)), SHAPES[0])


def check(at, value, tmp_path):
    data = put(at, value)
    try:
        spec = parse_spec(data, "lab.yml", everything)
    except SpecError as refused:
        assert refused.brief.startswith("lab.yml: ")
        assert all(c.isprintable() or c == "\n" for c in str(refused))
        return
    check_lab_file(spec, tmp_path)
    given = check_inventory(spec)
    check_vagrantfile(spec)
    check_kubernetes(spec, given)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The working directory, in which a command of a hostile value would leave its trace."""
    place = tmp_path_factory.mktemp("labs")
    with contextlib.chdir(place):
        yield place
    assert not (place / "trace").exists()


@pytest.mark.parametrize("at", LEAVES, ids=shown)
def test_a_hostile_value_is_refused_or_stays_what_it_is(at, folder):
    for text in HOSTILE:
        check(at, shape_of(at).format(text), folder)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.sampled_from(LEAVES), st.text(max_size=60))
@example(("kubernetes", "version"), "0")
def test_any_text_is_refused_or_stays_what_it_is(folder, at, text):
    check(at, shape_of(at).format(text), folder)


TEMPLATES = {
    "cni": ["flannel.yml.j2", "weave.yml.j2"],
    "dashboard": ["headlamp.yml.j2", "kube-web-view.yml.j2", "kubernetes-dashboard.yml.j2"],
}


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isascii()])
@pytest.mark.parametrize("role", TEMPLATES)
def test_a_hostile_image_of_a_set_is_a_string_in_every_manifest(role, text):
    names = ["flannel", "weave-kube", "weave-npc", "headlamp", "kube-web-view", "dashboard"]
    # What a lookup reads, as the manifest of a set, is marked like this.
    given = wrap_var(dict.fromkeys([*names, "metrics-scraper"], text))
    for template in TEMPLATES[role]:
        found = []
        for item in yaml.safe_load_all(render(role, template, common_images=given)):
            pod = (item or {}).get("spec", {}).get("template", {}).get("spec", {})
            found += [c["image"] for c in pod.get("containers", [])]
        assert set(found) == {text}


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isascii()])
@pytest.mark.parametrize("version", ["1.20.2", "1.31.4"])
def test_a_hostile_set_gives_kubeadm_strings(version, text):
    components = manifest(version)
    components["repository"] = text
    components["components"][0]["images"] |= {
        name: {"reference": text, "tag": text} for name in images(coredns="1", etcd="1")
    }
    rendered = render("control_plane", "kubeadm.yml.j2", common_manifest=wrap_var(components))
    cluster = list(yaml.safe_load_all(rendered))[1]
    assert cluster["imageRepository"] == text
    assert cluster["etcd"]["local"]["imageTag"] == text
    assert cluster["dns"]["imageTag"] == text
