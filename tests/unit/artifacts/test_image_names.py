"""Names of one image are equal, whoever wrote them."""

import pytest

from provisioner.artifacts.image_names import short, split


@pytest.mark.parametrize(
    "name",
    [
        "busybox:1",
        "library/busybox:1",
        "docker.io/busybox:1",
        "docker.io/library/busybox:1",
        "index.docker.io/library/busybox:1",
    ],
)
def test_every_name_of_an_official_image_of_docker_hub_is_the_same(name):
    assert short(name) == "busybox:1"
    assert split(name) == ("docker.io", "library/busybox", "1")


@pytest.mark.parametrize(
    ("name", "same", "registry"),
    [
        ("docker.io/kubernetesui/dashboard:v2.7.0", "kubernetesui/dashboard:v2.7.0", "docker.io"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", "registry.k8s.io"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000"),
        ("localhost/library/x:1", "localhost/library/x:1", "localhost"),
        ("quay.io/library/x:1", "quay.io/library/x:1", "quay.io"),
    ],
)
def test_names_of_other_images_are_kept(name, same, registry):
    assert short(name) == same
    assert split(name)[0] == registry
