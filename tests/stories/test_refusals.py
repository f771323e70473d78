"""What cannot be done is refused in words, with the right exit code, and nothing is made."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.hosts import changes_since, host_state
from tests.labs import KUBELAB, SharedLab, with_changes


def kubelab(*words, code, env=None, prefix=()):
    done = subprocess.run(
        [*prefix, str(KUBELAB), *words],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.fixture
def nothing_made(tmp_path):
    before, home = host_state(), tmp_path / "labs"
    yield {"KUBELAB_HOME": str(home)}
    changes, made = changes_since(before), list(home.glob("*/machines"))
    for machines in made:
        # So that what follows does not fail for it too.
        words = ("destroy", "--yes", "--name", machines.parent.name)
        kubelab(*words, code=0, env={"KUBELAB_HOME": str(home)})
    assert not changes
    assert not made


@pytest.fixture
def spec(tmp_path):
    """Writes a spec with changes; its lab is nobody else's."""

    def write(**changes):
        data = SharedLab("default").data() | {"name": "refused"}
        text = yaml.safe_dump(with_changes(data, changes)).replace("10.81.0.", "10.86.0.")
        (tmp_path / "spec.yml").write_text(text)
        return str(tmp_path / "spec.yml")

    return write


def test_a_bad_spec_is_refused_with_its_key(nothing_made, spec):
    bad = spec(**{"nodes.1.address": "10.99.0.1"})
    said = kubelab("up", "-f", bad, code=2, env=nothing_made)
    assert "nodes[1].address" in said
    assert "outside networks.node" in said


def test_without_root_it_says_so(nothing_made, spec):
    words = ("up", "-f", spec())
    said = kubelab(*words, code=3, env=nothing_made, prefix=("unshare", "--user"))
    assert "sudo" in said


def test_a_taken_network_is_refused(nothing_made, spec):
    subprocess.run(["ip", "link", "add", "taken1", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "10.86.0.9/24", "dev", "taken1"], check=True)
        subprocess.run(["ip", "link", "set", "taken1", "up"], check=True)
        said = kubelab("up", "-f", spec(), code=3, env=nothing_made)
        assert "taken1" in said
        assert "networks.node" in said
    finally:
        subprocess.run(["ip", "link", "delete", "taken1"], check=True)


def test_a_full_disk_is_refused(nothing_made, spec, tmp_path):
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    subprocess.run(["truncate", "-s", "64M", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        env = {"KUBELAB_HOME": str(place)}
        said = kubelab("up", "-f", spec(), code=3, env=env)
        assert "GiB needed" in said
        assert "KUBELAB_HOME" in said
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_dead_registry_is_named_and_what_is_built_stays(nothing_made, tmp_path):
    dead = "http://127.0.0.1:9"
    # As an earlier build that was stopped leaves it.
    kept = tmp_path / "cache/debs/kept.deb"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    env = {
        **nothing_made,
        "KUBELAB_CACHE": str(tmp_path / "cache"),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead),
    }
    said = kubelab("artifacts", "build", code=1, env=env)
    assert "artifact machine-root: debootstrap failed" in said
    assert re.search(r"Failed getting release file \S+/Release", said)
    assert "Check the network and apt's proxy (`apt-get update`)" in said
    assert kept.read_text() == "kept"


def test_an_unknown_lab_and_an_unknown_profile_are_named(nothing_made):
    assert "no profile named" in kubelab("up", "nope", code=2, env=nothing_made)
    assert "kubelab up" in kubelab("status", code=2, env=nothing_made)


def test_a_corrupt_file_in_the_cache_is_built_again():
    said = kubelab("artifacts", "build", "embedded", code=0)
    # The file of the set and that of the entry are one: the cache has images of other sets, too.
    file = Path(re.search(r"artifact set: (\S+)", said)[1], "images/node/pause.tar")
    before = file.read_bytes()
    with file.open("r+b") as image:
        image.seek(2048)
        image.write(b"\xff" * 64)
    said = kubelab("artifacts", "build", "embedded", code=0)
    assert "1 built" in said
    assert file.read_bytes() == before
