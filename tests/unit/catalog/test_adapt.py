"""What of the catalogue follows from the system of the nodes, and from a spec's mirrors."""

import json

import pytest

from provisioner.artifacts.artifact_set import order_of
from provisioner.artifacts.manifest import manifest_text
from provisioner.artifacts.offer import offers, workshop_for, workshop_of
from provisioner.artifacts.steps import steps_for
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab, profiles
from provisioner.queries.doctor import _published
from provisioner.queries.plan import plan_of
from provisioner.spec import parse_spec, read_spec

TOOLS = [f"usr/sbin/{name}{end}" for name in ("iptables", "ip6tables") for end in ("", "-save")]


def on(good, box, **more):
    good["provider"] = {"name": "vagrant", "box": {"name": box, "baked": False}}
    return parse_spec({**good, **more}, "lab.yml", offers)


def told(spec):
    workshop = workshop_for(spec)
    components = order_of(spec, workshop).components
    return json.loads(manifest_text(workshop.catalog, components, []))


@pytest.mark.parametrize(("box", "kind"), [("centos7", "legacy"), ("debian12", "nft")])
def test_images_that_are_made_here_have_the_iptables_of_the_nodes(good, box, kind):
    spec = on(good, box)
    links = workshop_for(spec).catalog.layers["net"].links
    assert {links[tool] for tool in TOOLS} == {f"xtables-{kind}-multi"}
    assert told(spec)["iptables"] == kind
    assert make_context(Lab("x"), spec).catalog.layers["net"].links == links


def test_they_are_other_layers_in_the_store_and_others_stay_what_they_were(good):
    spec = on(good, "centos7")
    legacy, plain = workshop_for(spec), workshop_of(spec.artifacts)
    order = order_of(spec, plain)
    one, other = (steps_for(shop, order.components) for shop in (legacy, plain))
    differ = {name for name in one if one[name].key != other[name].key}
    assert differ == {"layer-net", "image-kube-proxy", "image-flannel"}
    same = workshop_for(on(good, "debian12"))
    assert all(steps_for(same, order.components)[n].key == other[n].key for n in other)


def test_publishers_images_find_out_by_themselves():
    assert told(read_spec(profiles()["centos7"], offers))["iptables"] == ""


def test_rules_that_the_nodes_do_not_read_are_refused_at_their_key(good):
    with pytest.raises(SpecError) as refused:
        on(good, "centos7", cni={"name": "weave", "iptables_backend": "nft"})
    assert "cni.iptables_backend = 'nft'" in refused.value.details
    assert "use legacy" in refused.value.details


@pytest.fixture
def mirrored():
    whole = read_spec(profiles()["centos7"], offers).model_dump()
    whole["artifacts"]["mirrors"] = {
        "https://vault.centos.org": "http://mirror.lan/vault",
        "https://download.docker.com": "http://mirror.lan/docker",
    }
    return make_context(Lab("c7"), parse_spec(whole, "lab.yml", offers))


def test_nodes_have_their_packages_from_the_mirrors(mirrored):
    (docker,) = [c for c in told(mirrored.spec)["components"] if c["kind"] == "runtime"]
    found = docker["repositories"]["RedHat-7"]
    assert found["base"]["url"] == "http://mirror.lan/vault/7.9.2009/os/$basearch/"
    assert found["docker-ce-stable"]["key"] == "http://mirror.lan/docker/linux/centos/gpg"
    assert found["base"]["key"].startswith("file:///")


def test_the_plan_and_the_doctor_name_the_mirrors(mirrored):
    sources = [step.source for step in plan_of(mirrored) if step.kind == "repository"]
    assert len(sources) == 4
    assert all(source.startswith("http://mirror.lan/") for source in sources)
    order = order_of(mirrored.spec, mirrored.workshop)
    asked = _published(mirrored.workshop, order, cached=True)["source-packages"]
    assert all(url.startswith("http://mirror.lan/") for url in asked)
