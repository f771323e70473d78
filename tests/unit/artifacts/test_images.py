import hashlib
import io
import json
import tarfile

import pytest

from provisioner.artifacts.images import shared_layer, write_image
from provisioner.catalog.model import Image, Layer


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/tool").write_text("#!tool")
    (tree / "bin/tool").chmod(0o755)
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/lib.so.1.0").write_text("lib")
    (tree / "usr/lib/lib.so.1").symlink_to("lib.so.1.0")
    (tree / ".files.json").write_text("{}")
    return tree


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: (m, tar.extractfile(m).read() if m.isfile() else b"") for m in tar}


def test_a_layer_holds_the_tree_under_usr_and_its_links(tree, tmp_path):
    layer = shared_layer(
        Layer(build="b", links={"usr/bin/alias": "tool"}), tree, tmp_path / "l.tar"
    )
    found = members(layer.path.read_bytes())
    assert found["usr/bin/tool"][1] == b"#!tool"
    assert found["usr/bin/tool"][0].mode == 0o755
    assert found["bin"][0].linkname == "usr/bin"
    assert found["usr/bin/alias"][0].linkname == "tool"
    assert found["usr/lib/lib.so.1"][0].linkname == "lib.so.1.0"
    assert ".files.json" not in found
    assert {m.mtime for m, _ in found.values()} == {0}


def test_parents_come_before_children(tree, tmp_path):
    layer = shared_layer(Layer(build="b"), tree, tmp_path / "l.tar")
    seen = set()
    for name in members(layer.path.read_bytes()):
        assert "/" not in name or name.rpartition("/")[0] in seen
        seen.add(name)


def image_of(tree, out):
    shared = shared_layer(Layer(build="b"), tree, out.with_suffix(".base"))
    image = Image(tag="1", entrypoint=["/tool"])
    write_image("kubelab.local/x:1", image, [shared], {"usr/local/bin/x": tree / "bin/tool"}, out)
    return out.read_bytes()


def test_the_same_input_gives_the_same_bytes(tree, tmp_path):
    assert image_of(tree, tmp_path / "a.tar") == image_of(tree, tmp_path / "b.tar")


def test_an_archive_says_what_docker_wants_to_know(tree, tmp_path):
    found = members(image_of(tree, tmp_path / "a.tar"))
    (manifest,) = json.loads(found["manifest.json"][1])
    assert manifest["RepoTags"] == ["kubelab.local/x:1"]
    raw = found[manifest["Config"]][1]
    assert manifest["Config"] == f"{hashlib.sha256(raw).hexdigest()}.json"
    config = json.loads(raw)
    sums = [f"sha256:{hashlib.sha256(found[name][1]).hexdigest()}" for name in manifest["Layers"]]
    assert config["rootfs"]["diff_ids"] == sums
    assert len(sums) == 2
    assert config["config"]["Entrypoint"] == ["/tool"]
    assert "usr/local/bin/x" in members(found[manifest["Layers"][1]][1])


def test_an_image_of_shared_layers_alone_has_no_layer_of_its_own(tree, tmp_path):
    shared = shared_layer(Layer(build="b"), tree, tmp_path / "base.tar")
    write_image("kubelab.local/t:1", Image(tag="1"), [shared], {}, tmp_path / "t.tar")
    (manifest,) = json.loads(members((tmp_path / "t.tar").read_bytes())["manifest.json"][1])
    assert len(manifest["Layers"]) == 1
