"""An artifact set on a node that was not shown it: copied, once."""

import re

import pytest

THERE = "/var/set-of-a-test"
FILES = {
    "bin/kubelet": 0o755,
    "cni/bridge": 0o755,
    "images/node/pause.tar": 0o644,
    "images/control-plane/etcd.tar": 0o644,
    "images/other/left.tar": 0o644,
}


@pytest.fixture
def put(play, tmp_path):
    """Runs the tasks with a small set; more words for ansible-playbook may be given."""
    source = tmp_path / "set"
    for name, mode in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    (source / "SHA256SUMS").write_text("sums\n")
    (source / "manifest.json").write_text('{"schema": 1, "components": []}')
    given = {"artifacts_dir": str(source), "artifacts_node_dir": THERE}

    def command(*words, **more):
        return play("set.yml", given, 0, *words, **more)

    return command


def listed(inside):
    return inside("find", THERE, "-type", "f", "-printf", "%P %m %u\n").splitlines()


def test_a_node_gets_its_part_of_the_set_once(put, inside):
    assert re.search(r"node .* changed=[1-9]", put())
    wanted = [f"{name} {mode:o} root" for name, mode in FILES.items() if "other" not in name]
    assert sorted(listed(inside)) == sorted([*wanted, "SHA256SUMS 644 root"])
    assert inside("cat", f"{THERE}/bin/kubelet") == "bin/kubelet"
    assert re.search(r"node .* changed=0 ", put())
    assert inside("find", "/root/.ansible/tmp", "-name", "*.tar") == ""


def test_a_set_that_came_in_part_is_completed(put, inside):
    put()
    inside("rm", f"{THERE}/SHA256SUMS", f"{THERE}/cni/bridge")
    put()
    assert "cni/bridge 755 root" in listed(inside)


def test_a_worker_gets_no_images_of_the_control_plane(put, inside):
    put(kind="workers")
    assert not any("control-plane" in line for line in listed(inside))


def test_with_check_nothing_is_copied(put, inside):
    assert re.search(r"node .* changed=[1-9]", put("--check"))
    inside("test", "-e", THERE, code=1)
