"""Which pods run an image that was replaced on their node."""

import importlib.util

import pytest

from tests.unit.roles.manifests import ROLES

PATH = ROLES / "image_refresh/filter_plugins/kubelab_stale.py"
IDS = {"worker1": {"weaveworks/weave-kube:2.8.1": "sha256:new", "busybox:1": "sha256:same"}}


@pytest.fixture
def stale():
    spec = importlib.util.spec_from_file_location("kubelab_stale", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.stale


def pod(image, image_id, owner="DaemonSet", node="worker1", **more):
    owners = [{"kind": owner, "controller": True}] if owner else []
    return {
        "metadata": {"namespace": "n", "name": "p", "ownerReferences": owners, **more},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": image}]},
        "status": {"containerStatuses": [{"name": "c", "image": "sha256:x", "imageID": image_id}]},
    }


WEAVE, OLD = "weaveworks/weave-kube:2.8.1", "docker://sha256:old"


@pytest.mark.parametrize("image", [WEAVE, f"docker.io/{WEAVE}"])
def test_a_pod_of_a_replaced_image_is_found(stale, image):
    assert stale([pod(image, OLD)], IDS) == [{"namespace": "n", "name": "p"}]


@pytest.mark.parametrize(
    "kept",
    [
        pod(WEAVE, "docker://sha256:new"),
        pod("docker.io/library/busybox:1", "docker://sha256:same"),
        # It came from a registry: its id is not told.
        pod(WEAVE, "docker-pullable://weaveworks/weave-kube@sha256:old"),
        # kubelet does not tell yet.
        pod(WEAVE, ""),
        pod("another:1", OLD),
        pod(WEAVE, OLD, owner="Node"),
        pod(WEAVE, OLD, owner=""),
        pod(WEAVE, OLD, node="worker2"),
        pod(WEAVE, OLD, deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
)
def test_all_others_are_left_alone(stale, kept):
    assert stale([kept], IDS) == []


def test_a_pod_that_waits_for_a_node_is_left_alone(stale):
    waiting = pod(WEAVE, OLD)
    del waiting["spec"]["nodeName"], waiting["status"]
    assert stale([waiting], IDS) == []
