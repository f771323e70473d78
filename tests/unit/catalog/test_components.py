"""A component goes in as data: no module knows the name of one."""

import json

import pytest

from provisioner.artifacts.artifact_set import order_of
from provisioner.artifacts.manifest import manifest_text
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.artifacts.steps import steps_for
from provisioner.checks.components import questions_of
from provisioner.checks.verify import CheckFailed
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab
from provisioner.queries.plan import plan_of
from provisioner.shell import Result
from provisioner.spec import Artifacts, parse_spec

HELLO = {
    "kind": "addon",
    "name": "hello",
    "version": "1",
    "settings": {
        "template": "/srv/hello.yml.j2",
        "namespace": "hello",
        "wait_for": ["deployment/hello"],
    },
    "images": {"hello": {"tag": "1", "layers": ["base"]}},
    "checks": [{"name": "hello-runs", "kubectl": ["get", "pods"], "expects": "Running"}],
}


def with_hello(good, **more):
    good["artifacts"] = {"overrides": {"artifacts_addon_hello": {**HELLO, **more}}}
    good["addons"] = ["hello"]
    return good


@pytest.fixture
def spec(good):
    return parse_spec(with_hello(good), "lab.yml", offers)


def test_an_addon_is_chosen_by_its_name(spec):
    order = order_of(spec, workshop_of(spec.artifacts))
    assert [(c.kind, c.name) for c in order.components] == [
        ("kubernetes", "kubernetes"),
        ("runtime", "docker"),
        ("cni", "flannel"),
        ("dashboard", "kube-web-view"),
        ("addon", "hello"),
    ]


def test_its_image_is_built_with_the_others(spec):
    workshop = workshop_of(spec.artifacts)
    assert "image-hello" in steps_for(workshop, order_of(spec, workshop).components)


def test_roles_find_it_in_the_manifest(spec):
    workshop = workshop_of(spec.artifacts)
    components = order_of(spec, workshop).components
    manifest = json.loads(manifest_text(workshop.catalog, components, []))
    (found,) = [c for c in manifest["components"] if c["kind"] == "addon"]
    assert found["settings"]["wait_for"] == ["deployment/hello"]
    assert found["images"]["hello"]["reference"] == "kubelab.local/hello:1"
    assert found["images"]["hello"]["archive"] == "images/node/hello.tar"


@pytest.mark.parametrize(
    ("version", "source", "repository"),
    [("1.20.2", "packages", "kubelab.local"), ("1.31.14", "upstream", "registry.k8s.io")],
)
def test_kubeadm_looks_for_images_where_those_of_the_set_are(good, version, source, repository):
    good |= {"kubernetes": {"version": version}, "artifacts": {"source": source}}
    spec = parse_spec(good, "lab.yml", offers)
    workshop = workshop_of(spec.artifacts)
    components = order_of(spec, workshop).components
    assert json.loads(manifest_text(workshop.catalog, components, []))["repository"] == repository


def test_publishers_flannel_takes_the_place_of_ours(good):
    good["artifacts"] = {"source": "upstream"}
    spec = parse_spec(good, "lab.yml", offers)
    workshop = workshop_of(spec.artifacts)
    (flannel,) = [c for c in order_of(spec, workshop).components if c.name == "flannel"]
    image = flannel.images["flannel"]
    assert workshop.catalog.reference("flannel", image) == "ghcr.io/flannel-io/flannel:v0.28.4"
    assert flannel.files == {"cni/flannel": "flannel-cni-plugin-1.9.1/flannel"}
    assert flannel.version == "0.28.4"


def test_the_plan_tells_it(spec):
    steps = plan_of(make_context(Lab("x"), spec))
    assert ("cluster", "hello", "1", "addon") in [
        (s.kind, s.name, s.version, s.source) for s in steps
    ]


def test_an_addon_that_nobody_offers_is_refused(good):
    good["addons"] = ["hello"]
    with pytest.raises(SpecError, match="addons"):
        parse_spec(good, "lab.yml", offers)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"requires": ["addon/other"]}, "requires addon/other"),
        ({"conflicts": ["cni/flannel"]}, "conflicts with flannel"),
    ],
)
def test_what_does_not_stand_together_is_refused_at_its_key(good, more, said):
    with pytest.raises(SpecError) as refused:
        parse_spec(with_hello(good, **more), "lab.yml", offers)
    assert "addons[0] = 'hello'" in refused.value.details
    assert said in refused.value.details


def test_those_that_others_require_come_first(good):
    good = with_hello(good, requires=["addon/base"])
    good["artifacts"]["overrides"]["artifacts_addon_base"] = {**HELLO, "name": "base"}
    good["addons"] = ["hello", "base"]
    spec = parse_spec(good, "lab.yml", offers)
    order = order_of(spec, workshop_of(spec.artifacts))
    assert [c.name for c in order.components if c.kind == "addon"] == ["base", "hello"]


def test_a_component_that_is_there_already_is_refused():
    twice = {**HELLO, "kind": "cni", "name": "flannel", "version": "0.28.4"}
    with pytest.raises(SpecError, match="is already defined as artifacts_cni_flannel"):
        workshop_of(Artifacts(overrides={"artifacts_cni_second": twice}))


class Asked:
    """A kubectl that says the same whatever it is asked."""

    slowness = 0.01

    def __init__(self, said):
        self.kubectl = self
        self.said = said

    def call(self, *words, check):
        return Result(words, 0, self.said, "")


def test_its_check_is_a_question_of_verify():
    questions = questions_of([{**HELLO, "checks": [{**HELLO["checks"][0], "seconds": 1}]}])
    assert questions["hello-runs"](Asked("hello-1 1/1 Running")) == "Running"
    with pytest.raises(CheckFailed, match="expected 'Running', got hello-1 Pending"):
        questions["hello-runs"](Asked("hello-1 Pending"))
