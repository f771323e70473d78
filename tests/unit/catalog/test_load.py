import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.catalog.load import FILES, builds_of, load_catalog
from provisioner.errors import SpecError


def test_every_key_is_a_default_of_the_role():
    keys = [key for file in FILES for key in yaml.safe_load(file.read_text())]
    assert all(key.startswith("artifacts_") for key in keys)
    # Ansible takes one of two, and does not merge them.
    assert len(keys) == len(set(keys))


def test_no_registry_is_named():
    hosts = r"debian\.org|golang\.org/dl|proxy\.|pypi\.|pythonhosted|https?://registry"
    for file in FILES:
        assert not re.search(hosts, file.read_text()), file


def test_every_file_of_a_publisher_has_a_sum():
    for name, build in load_catalog({}).upstream.items():
        for file in build.files.values():
            assert re.fullmatch("[0-9a-f]{64}", file.sha256), name
            assert file.url.startswith("https://"), name


def test_a_publisher_offers_what_packages_do_not():
    catalog = load_catalog({})
    assert set(catalog.from_upstream().offered) - set(catalog.offered) == {"1.31.14"}


def test_a_lab_finds_its_images_and_builds():
    catalog = load_catalog({})
    assert catalog.image("pause", "1.20.2", "flannel") == "kubelab.local/pause:3.2"
    assert catalog.image("flannel", "1.20.2", "flannel").startswith("kubelab.local/flannel:v")
    names = set(builds_of(catalog, catalog.bundles("1.20.2", "flannel")))
    assert {"kubernetes-1.20.2", "base", "net"} <= names <= set(catalog.builds)


def test_an_override_changes_one_key_and_leaves_its_neighbours():
    before = load_catalog({})
    over = {"artifacts_builds": {"coredns-1.10.1": {"version": "v1.9.4"}}}
    after = load_catalog(over)
    assert after.builds["coredns-1.10.1"].version == "v1.9.4"
    assert after.builds["coredns-1.10.1"].module == before.builds["coredns-1.10.1"].module
    assert after.kubernetes == before.kubernetes


@pytest.mark.parametrize(
    ("over", "path"),
    [
        ({"artifacts_colour": 1}, "artifacts_colour"),
        ({"artifacts_builds": {"net": {"colour": 1}}}, "artifacts_builds.net.debian.colour"),
        ({"artifacts_builds": {"net": {"source": "ftp"}}}, "artifacts_builds.net"),
        (
            {"artifacts_builds": {"coredns-1.10.1": {"toolchain": "9"}}},
            "artifacts_builds.coredns-1.10.1.toolchain",
        ),
        ({"artifacts_layers": {"net": {"build": "nut"}}}, "artifacts_layers.net.build"),
        (
            {"artifacts_kubernetes": {"1.20.2": {"binaries": {"kubectl": "nut/kubectl"}}}},
            "artifacts_kubernetes.1.20.2.binaries.kubectl",
        ),
        (
            {"artifacts_cni": {"flannel": {"images": {"flannel": {"layers": ["nut"]}}}}},
            "artifacts_cni.flannel.images.flannel.layers",
        ),
    ],
)
def test_a_wrong_override_is_refused_with_its_key_path(over, path):
    with pytest.raises(SpecError) as refused:
        load_catalog(over)
    assert f"artifacts.overrides.{path}: " in refused.value.details


@given(
    st.dictionaries(
        st.sampled_from(["artifacts_builds", "artifacts_cni", "artifacts_layers", "nonsense"]),
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
        load_catalog(over)
    except SpecError as refused:
        assert "artifacts.overrides." in refused.details
