"""`kubelab artifacts lock`, `plan` and `doctor` with a real registry, by the command line."""

import json
import subprocess

import pytest
import yaml

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.lab import Lab
from provisioner.phases.artifacts import BuildArtifacts
from provisioner.spec import read_spec
from tests.labs import KUBELAB, PROJECT
from tests.registry.front import in_front

IMAGE = "locked/tool:1"


@pytest.fixture
def spec(registry, tmp_path, weave):
    """A lab whose addon has one image with a digest, and one without."""
    registry.push("locked/tool", "1", "first")
    builds = {
        "weave": {"source": "oci", "image": "weaveworks/weave-kube:2.8.1", "digest": weave},
        "tool": {"source": "oci", "image": IMAGE},
    }
    images = {
        "weave": {"repository": "weaveworks/weave-kube", "tag": "2.8.1", "archive": "weave/file"},
        "tool": {"repository": "locked/tool", "tag": "1", "archive": "tool/file"},
    }
    (tmp_path / "tools.yml.j2").write_text("")
    settings = {"template": str(tmp_path / "tools.yml.j2"), "namespace": "tools"}
    addon = {"kind": "addon", "name": "tools", "version": "1", "images": images}
    addon["settings"] = settings

    def write(mirror=registry.name):
        whole = yaml.safe_load((PROJECT / "profiles/embedded.yml").read_text())
        whole |= {"name": "tools", "addons": ["tools"]}
        whole["artifacts"] = {
            "registry_mirror": f"https://{mirror}",
            "ca_file": str(registry.ca),
            "overrides": {"artifacts_builds": builds, "artifacts_addon_tools": addon},
        }
        (tmp_path / "lab.yml").write_text(yaml.safe_dump(whole))
        return tmp_path / "lab.yml"

    return write


def kubelab(*words, code=0):
    done = subprocess.run([KUBELAB, *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def images_of(plan):
    steps = json.loads(plan.stdout)["steps"]
    return {s["name"]: (s["state"], s["sha256"]) for s in steps if s["kind"] == "image"}


def test_a_digest_is_locked_once_and_a_tag_that_moved_is_refused(spec, registry, weave, tmp_path):
    file, lock = spec(), tmp_path / "lock.yml"
    first = registry.send("HEAD", "locked/tool/manifests/1")["Docker-Content-Digest"]

    planned = images_of(kubelab("plan", "-f", file, "--json"))
    assert planned["weave"] == ("to fetch", weave.removeprefix("sha256:"))
    assert planned["tool"] == ("to fetch and to lock", first.removeprefix("sha256:"))
    assert not lock.exists()

    (row,) = json.loads(kubelab("artifacts", "lock", "-f", file, "--json").stdout)["images"]
    assert row == {"image": IMAGE, "digest": first, "new": True}
    assert yaml.safe_load(lock.read_text()) == {IMAGE: first}
    assert images_of(kubelab("plan", "-f", file, "--json"))["tool"][0] == "to fetch"
    (row,) = json.loads(kubelab("artifacts", "lock", "-f", file, "--json").stdout)["images"]
    assert row["new"] is False

    registry.push("locked/tool", "1", "second")
    told = kubelab("artifacts", "lock", "-f", file, code=1).stderr
    assert "another image under this tag than before" in told
    assert first in told
    assert yaml.safe_load(lock.read_text()) == {IMAGE: first}
    planned = images_of(kubelab("plan", "-f", file, "--json"))
    assert "another image under this tag" in planned["tool"][0]
    assert planned["weave"][0] == "to fetch"


def test_up_locks_what_is_missing_and_shows_it(spec, registry, tmp_path, monkeypatch):
    made = ArtifactSet(tmp_path, None, ())
    monkeypatch.setattr("provisioner.phases.artifacts.build_set", lambda *_, **__: made)
    found = read_spec(spec(), offers)
    first, second = (
        BuildArtifacts().run(make_context(Lab(found.name), found)).said for _ in range(2)
    )
    digest = registry.send("HEAD", "locked/tool/manifests/1")["Docker-Content-Digest"]
    assert f"; new in {tmp_path}/lock.yml, which is to be committed: {IMAGE} {digest[:19]}" in first
    assert second == "0 from the cache"
    assert yaml.safe_load((tmp_path / "lock.yml").read_text()) == {IMAGE: digest}


def test_doctor_and_plan_spend_no_pulls(spec, registry):
    with in_front(registry) as (mirror, seen):
        file = spec(mirror)
        kubelab("plan", "-f", file)
        found = json.loads(_doctor(file).stdout)["checks"]
    (images,) = [f for f in found if f["name"] == "source-images"]
    assert images["ok"]
    assert images["detail"] == "2 images can be had, 1 of them to be locked"
    assert len(seen) == 4
    assert {line.split()[0] for line in seen} == {"HEAD"}


def _doctor(file):
    # Whatever else this host may lack.
    words = ["doctor", "-f", file, "--json"]
    return subprocess.run([KUBELAB, *words], capture_output=True, text=True, check=False)


def test_doctor_says_which_images_cannot_be_had_and_why(spec, registry):
    with in_front(registry, "limit") as (mirror, _):
        found = json.loads(_doctor(spec(mirror)).stdout)["checks"]
    (images,) = [f for f in found if f["name"] == "source-images"]
    assert not images["ok"]
    assert images["detail"].count("it says to wait 42 s") == 1
    assert IMAGE in images["detail"]
