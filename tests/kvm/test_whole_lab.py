"""The three-node lab on virtual machines, from `up` to `destroy`, emulated where it must be."""

import time

import pytest

from tests.labs import HOME, PROJECT, Lab

SECONDS = 3600


@pytest.fixture(scope="module")
def whole():
    found = Lab("kvm")
    HOME.mkdir(exist_ok=True)
    text = (PROJECT / "profiles/debian12.yml").read_text()
    text = text.replace("name: debian12\n", "name: kvm\n", 1).replace("10.76.0.", "10.84.0.")
    text = text.replace("10.76.1.0/24", "192.168.184.0/24")
    found.spec.write_text(text)
    yield found
    if (found.dir / "lab.yml").exists():
        found.run("destroy", "--yes", "--name", found.name)


def timed(label, *call, **more):
    begin = time.monotonic()
    answer = call[0](*call[1:], **more)
    print(f"{label}: {time.monotonic() - begin:.0f} s")
    return answer


class TestWholeLab:
    """Each test goes on from the one before."""

    def test_up_ends_with_a_cluster(self, whole):
        answer = timed("up", whole.up, SECONDS)
        print({phase["phase"]: round(phase["seconds"]) for phase in answer["phases"]})
        assert whole.status()["phase"] == "running"

    def verify(self, whole):
        answer = timed("verify", whole.json, "verify", "--name", whole.name, seconds=SECONDS)
        print({check["name"]: round(check["seconds"]) for check in answer["checks"]})
        assert answer["ok"], answer

    def test_verify_finds_it_whole(self, whole):
        self.verify(whole)

    def test_a_second_up_changes_nothing(self, whole):
        assert set(timed("second up", whole.up, SECONDS)["changed"].values()) == {0}

    def test_stopped_and_started_every_node_is_ready(self, whole):
        timed("stop", whole.json, "stop", "--name", whole.name, seconds=SECONDS)
        timed("start", whole.json, "start", "--name", whole.name, seconds=SECONDS)
        self.verify(whole)

    def test_a_snapshot_of_all_machines_together_is_whole(self, whole):
        words = ("--name", whole.name)
        timed("save", whole.json, "snapshot", "save", "all", *words, seconds=SECONDS)
        whole.kubectl("create", "namespace", "lost")
        timed("restore", whole.json, "snapshot", "restore", "all", *words, seconds=SECONDS)
        assert "lost" not in whole.kubectl("get", "namespaces")
        self.verify(whole)

    def test_destroy_removes_it(self, whole):
        whole.run("destroy", "--yes", "--name", whole.name)
        assert not whole.dir.exists()
