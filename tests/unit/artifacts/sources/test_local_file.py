import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from provisioner.artifacts.artifact_set import Order, build_set, check_inputs
from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.steps import steps_for
from provisioner.errors import SpecError
from provisioner.model import Choice
from provisioner.spec import Artifacts


def archive(path: Path, name: str) -> str:
    """What `docker save` writes, as far as names go; returns its SHA-256."""
    text = json.dumps([{"Config": "c.json", "RepoTags": [name], "Layers": []}]).encode()
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def given(tmp_path) -> dict:
    """Overrides that give both images of Weave."""
    builds = {}
    for name in ("weave-kube", "weave-npc"):
        file = tmp_path / f"{name}.tar"
        sum_ = archive(file, f"rajchaudhuri/{name}:2.8.10")
        builds[f"{name}-2.8.10"] = {"path": str(file), "sha256": sum_}
    return {"artifacts_builds": builds}


WEAVE = Choice("cni", "weave", "cni.name")


def order(over):
    """The images of Weave alone: Kubernetes itself would be compiled."""
    workshop = workshop_of(Artifacts(overrides=over))
    return workshop, Order(tuple(workshop.catalog.resolve([WEAVE])))


def check(over):
    check_inputs(*order(over), cached_too=True)


def test_archives_that_are_right_pass(given):
    check(given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "/nowhere/weave.tar"}, "no such file"),
        ({"sha256": "0" * 64}, "and the spec says 000"),
    ],
)
def test_a_file_that_is_not_what_the_spec_says_is_refused(given, change, said):
    given["artifacts_builds"]["weave-npc-2.8.10"] |= change
    with pytest.raises(SpecError) as refused:
        check(given)
    assert refused.value.exit_code == 2
    assert "artifacts_builds.weave-npc-2.8.10.path" in refused.value.brief
    assert said in refused.value.details


@pytest.mark.parametrize("name", ["rajchaudhuri/weave-npc:2.9.0", "docker.io/rajchaudhuri/x:1"])
def test_an_archive_of_another_image_is_refused(given, tmp_path, name):
    file = tmp_path / "other.tar"
    build = {"path": str(file), "sha256": archive(file, name)}
    given["artifacts_builds"]["weave-npc-2.8.10"] = build
    with pytest.raises(SpecError) as refused:
        check(given)
    assert name in refused.value.details
    assert "docker save --output FILE rajchaudhuri/weave-npc:2.8.10" in refused.value.hint


def test_what_is_no_archive_is_refused(given, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("<html>Not found</html>")
    sum_ = hashlib.sha256(file.read_bytes()).hexdigest()
    given["artifacts_builds"]["weave-kube-2.8.10"] = {"path": str(file), "sha256": sum_}
    with pytest.raises(SpecError, match="not an image archive"):
        check(given)


def packed(**how):
    """An archive whose manifest.json is something else."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        content = how.pop("content", b"")
        member.size = len(content)
        for name, value in how.items():
            setattr(member, name, value)
        tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


ODD = {
    "a folder": packed(type=tarfile.DIRTYPE),
    "a link": packed(type=tarfile.SYMTYPE, linkname="/etc/shadow"),
    "a list in lists": packed(content=b"[" * 100_000),
    "no list": packed(content=b"1"),
    "a large one": packed(content=b" " * (2 << 20) + b"[]"),
    "no text": packed(content=b"\xff\xfe"),
    "half of it": packed(content=b"[]")[:600],
    "half of a compressed one": gzip.compress(packed(content=b"[]"))[:60],
    "a damaged compressed one": gzip.compress(packed(content=b"[]"))[:20] + b"x" * 90,
}


@pytest.mark.parametrize("name", ODD)
def test_an_archive_of_a_stranger_is_refused_in_words(given, tmp_path, name):
    file = tmp_path / "odd.tar"
    file.write_bytes(ODD[name])
    sum_ = hashlib.sha256(file.read_bytes()).hexdigest()
    given["artifacts_builds"]["weave-kube-2.8.10"] = {"path": str(file), "sha256": sum_}
    with pytest.raises(SpecError, match="not an image archive"):
        check(given)


def test_the_archives_are_in_the_set_byte_for_byte(given, tmp_path):
    made = build_set(*order(given), lambda _: None, jobs=1)
    inside = made.folder / "images/node/weave-kube.tar"
    assert inside.read_bytes() == (tmp_path / "weave-kube.tar").read_bytes()
    assert {a.image for a in made.artifacts} == {
        "rajchaudhuri/weave-kube:2.8.10",
        "rajchaudhuri/weave-npc:2.8.10",
    }


def test_a_file_that_moves_is_the_same_artifact(given, tmp_path):
    def keys():
        workshop, wanted = order(given)
        steps = steps_for(workshop, wanted.components)
        return {name: step.key for name, step in steps.items()}

    before = keys()
    given["artifacts_builds"]["weave-kube-2.8.10"]["path"] = "/elsewhere.tar"
    assert keys() == before
