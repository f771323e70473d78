import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.artifacts.image_names import split
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.artifacts.sources import source_of
from provisioner.catalog.load import FOLDER, load_catalog
from provisioner.catalog.model import build_of
from provisioner.errors import SpecError
from provisioner.model import Choice
from provisioner.spec import Artifacts

FILES = sorted(FOLDER.glob("*.yml"))
CLUSTER = [
    Choice("kubernetes", "kubernetes", "kubernetes.version", "1.20.2"),
    Choice("cni", "flannel", "cni.name"),
]


def test_every_file_has_one_key_of_its_own_name():
    for file in FILES:
        assert list(yaml.safe_load(file.read_text())) == [f"artifacts_{file.stem}"]


def test_no_registry_is_named():
    hosts = r"debian\.org|golang\.org/dl|proxy\.|pypi\.|pythonhosted|https?://registry"
    for file in FILES:
        assert not re.search(hosts, file.read_text()), file


def test_every_file_of_a_publisher_has_a_sum():
    workshop = workshop_of(Artifacts(source="upstream"))
    for name, build in workshop.catalog.upstream.items():
        if build.source == "upstream":
            for file in source_of(name, workshop).build.files.values():
                assert re.fullmatch("[0-9a-f]{64}", file.sha256), name
                assert file.url.startswith("https://"), name


def test_images_without_a_digest_are_those_of_which_nobody_published_one():
    workshop = workshop_of(Artifacts(source="upstream"))
    pins = [p for name in workshop.catalog.upstream for p in source_of(name, workshop).pins()]
    assert {split(pin.reference)[1] for pin in pins if not pin.digest} == {
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
        *("rajchaudhuri/weave-kube", "rajchaudhuri/weave-npc", "kubernetesui/dashboard"),
    }
    assert len(pins) > 12


def test_every_image_of_a_registry_is_the_one_that_its_component_names():
    workshop = workshop_of(Artifacts(source="upstream"))
    images = [
        (build_of(image.archive), workshop.catalog.reference(name, image))
        for component in workshop.catalog.components.values()
        for name, image in component.images.items()
        if image.archive
    ]
    for build, reference in images:
        source_of(build, workshop).check([reference])
    assert "weaveworks/weave-kube:2.8.1" in dict(images).values()


def test_a_file_that_a_spec_names_is_taken_instead_of_a_registry():
    given = {"source": "file", "path": "/srv/weave-kube.tar", "sha256": "0" * 64}
    over = {"artifacts_builds": {"weave-kube-2.8.1": given}}
    builds = workshop_of(Artifacts(source="upstream", overrides=over)).catalog.builds
    assert builds["weave-kube-2.8.1"].source == "file"
    assert builds["weave-npc-2.8.1"].source == "oci"


def test_a_publisher_offers_what_packages_do_not():
    here, there = (
        set(offers(Artifacts(source=source)).components["kubernetes"])
        for source in ("packages", "upstream")
    )
    assert there - here == {"1.31.14"}


def test_a_lab_finds_its_images_and_builds():
    catalog = load_catalog({})
    kubernetes, flannel = catalog.resolve(CLUSTER)
    assert catalog.reference("pause", kubernetes.images["pause"]) == "kubelab.local/pause:3.2"
    image = flannel.images["flannel"]
    assert catalog.reference("flannel", image).startswith("kubelab.local/flannel:v")
    names = set(catalog.builds_of([kubernetes, flannel]))
    assert {"kubernetes-1.20.2", "base", "net"} <= names <= set(catalog.builds)


def test_an_override_changes_one_key_and_leaves_its_neighbours():
    before = load_catalog({})
    over = {"artifacts_builds": {"coredns-1.10.1": {"version": "v1.9.4"}}}
    after = load_catalog(over)
    assert after.builds["coredns-1.10.1"].version == "v1.9.4"
    assert after.builds["coredns-1.10.1"].module == before.builds["coredns-1.10.1"].module
    assert after.components == before.components


@pytest.mark.parametrize(
    ("over", "path"),
    [
        ({"artifacts_colour": 1}, "artifacts_colour"),
        ({"artifacts_builds": {"net": {"colour": 1}}}, "artifacts_builds.net.colour"),
        ({"artifacts_builds": {"net": {"source": "ftp"}}}, "artifacts_builds.net.source"),
        (
            {"artifacts_builds": {"coredns-1.10.1": {"toolchain": "9"}}},
            "artifacts_builds.coredns-1.10.1.toolchain",
        ),
        ({"artifacts_layers": {"net": {"build": "nut"}}}, "artifacts_layers.net.build"),
        (
            {"artifacts_kubernetes_1_20_2": {"files": {"bin/kubectl": "nut/kubectl"}}},
            "artifacts_kubernetes_1_20_2.files.bin/kubectl",
        ),
        (
            {"artifacts_kubernetes_1_20_2": {"files": {"bin/../../x": "etcd-3.4/x"}}},
            "artifacts_kubernetes_1_20_2.files.bin/../../x",
        ),
        (
            {"artifacts_cni_flannel": {"images": {"flannel": {"layers": ["nut"]}}}},
            "artifacts_cni_flannel.images.flannel.layers",
        ),
    ],
)
def test_a_wrong_override_is_refused_with_its_key_path(over, path):
    with pytest.raises(SpecError) as refused:
        workshop_of(Artifacts(overrides=over))
    assert refused.value.details.startswith(f"artifacts.overrides.{path}: ")


@given(
    st.dictionaries(
        st.sampled_from(
            ["artifacts_builds", "artifacts_cni_flannel", "artifacts_layers", "nonsense"]
        ),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["net", "flannel", "build", "x"]), inner, max_size=2
                )
            ),
            max_leaves=6,
        ),
        min_size=1,
        max_size=2,
    )
)
def test_any_override_is_taken_or_refused_but_never_crashes(over):
    try:
        workshop_of(Artifacts(overrides=over))
    except SpecError as refused:
        assert "artifacts.overrides." in refused.details
