"""No role decides by an answer that was not there."""

import pytest
import yaml

from tests.conftest import module_of
from tests.unit.roles.manifests import ROLES, templar
from tests.unit.roles.test_role_documents import tasks_of

# Tasks that may fail, and why nothing is decided then.
MAY_FAIL = {
    "addon: Compare the objects with the cluster": "all are applied",
    "cni: Check the nodes that are late": "it adds to a failure",
    "control_plane: Read the objects that kubeadm makes": "control_plane_answers",
    "control_plane: Wait for kubeadm init": "the next task but one fails",
    "drain: Check which pods would be moved": "the next task fails",
    "drain: Drain the node": "the next task fails",
    "join: Run kubeadm join": "the next task fails",
    "join: Wait until the first control plane is Ready": "the join reports what is wrong",
    "join: Wait until the controller manager has signed the token and serves nodes": "as above",
    "node: Check whether the prerequisites are installed or available": "they are installed",
    "runtime: Check docker for the images": "it says so of each host",
    "runtime: Check the services and the static pods": "it adds to a failure",
    "runtime: Read docker's drivers": "the next task fails",
}


def test_every_task_that_may_fail_is_known():
    found = set()
    for path in ROLES.glob("*/tasks/**/*.yml"):
        role = path.relative_to(ROLES).parts[0]
        tasks = tasks_of(yaml.safe_load(path.read_text()))
        found |= {f"{role}: {task['name']}" for task in tasks if task.get("failed_when") is False}
    assert found == set(MAY_FAIL)


def state(stdout="", stderr="", code=0):
    lines = {"stdout_lines": stdout.splitlines(), "stderr_lines": stderr.splitlines()}
    return {"rc": code, "stdout": stdout, "stderr": stderr, **lines}


ALL = [
    *("configmap/kubeadm-config", "configmap/kubelet-config-1.20", "configmap/kube-proxy"),
    "daemonset.apps/kube-proxy",
]


@pytest.mark.parametrize(
    ("found", "answers", "exists"),
    [
        (state("\n".join(ALL)), True, True),
        (state("\n".join(ALL[:-1]), 'daemonsets "kube-proxy" NotFound', 1), True, False),
        (state("not begun"), True, False),
        (state("cut off early"), True, False),
        (state("", "Error from server (Forbidden): x", 1), True, False),
        (state("", "The connection to the server was refused", 1), False, False),
        (state("", "Unable to connect to the server: net/http: timeout", 1), False, False),
    ],
)
def test_a_silent_api_server_is_not_taken_for_one_without_objects(found, answers, exists):
    asked = templar("control_plane", control_plane_state=found)
    assert asked.template("{{ control_plane_answers }}") is answers
    assert asked.template("{{ control_plane_exists }}") is exists


def test_a_docker_that_does_not_answer_is_not_taken_for_one_without_images():
    path = ROLES / "runtime/tasks/docker/has_image.yml"
    task = yaml.safe_load(path.read_text())[-1]
    results = [
        {"item": ["a", "x:1"], "rc": 1, "stderr": "Error: No such image: x:1"},
        {"item": ["b", "x:1"], "rc": 1, "stderr": "Cannot connect to the Docker daemon"},
        {"item": ["c", "x:1"], "unreachable": True},
        {"item": ["d", "x:1"], "rc": 0, "stderr": ""},
    ]
    asked = templar("runtime", runtime_inspected={"results": results}, **task["vars"])
    said = asked.template(task["ansible.builtin.set_fact"]["runtime_missing_images"])
    assert said == [
        "c is not reached",
        "b: docker does not say which images it has",
        "a has no image x:1",
    ]


class RefusedError(Exception):
    pass


class Module:
    """Ansible's module, whose commands have this answer."""

    def __init__(self, *answer):
        self.answer, self.params = answer, {}

    def run_command(self, argv, **more):
        return self.answer

    def fail_json(self, msg):
        raise RefusedError(msg)


def test_only_a_disk_that_blkid_has_read_is_empty():
    storage = module_of("storage", "storage_volume")
    assert storage.probe(Module(2, "", ""), "/dev/x") == {}
    assert storage.probe(Module(0, "TYPE=ext4\n", ""), "/dev/x") == {"TYPE": "ext4"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [((8, "", ""), r"\(8\)"), ((2, "", "error: /dev/x: Input/output error"), "Input/output error")],
)
def test_a_disk_that_blkid_cannot_tell_is_not_taken_for_an_empty_one(answer, told):
    storage = module_of("storage", "storage_volume")
    with pytest.raises(RefusedError, match=told):
        storage.probe(Module(*answer), "/dev/x")


def test_a_service_that_goes_on_writing_is_not_taken_for_a_stopped_one():
    storage = module_of("storage", "storage_volume")
    storage.stop(Module(5, "", "Unit docker.service not loaded."), ["docker.service"])
    with pytest.raises(RefusedError, match="does not stop"):
        storage.stop(Module(1, "", "timeout"), ["docker.service"])
