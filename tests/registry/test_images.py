"""Images from a real registry: what arrives, and how each fault is told."""

import json
import os
import tarfile

import pytest

from provisioner.artifacts.image_lock import read_lock
from provisioner.artifacts.registry import resolve
from provisioner.artifacts.sources import source_of
from provisioner.errors import LabError
from tests.registry.front import in_front, proxy_to

WEAVE = "docker.io/weaveworks/weave-kube:2.8.1"
# A port on which nothing listens: only root may listen there, and no service of today does.
NOBODY = "127.0.0.1:9"


def refusal(shop, build, mirror="", **keys):
    with pytest.raises(LabError) as error:
        shop.fetch(build, mirror, **keys)
    assert error.value.hint
    return str(error.value)


def pinned(digest, image=WEAVE):
    return {"image": image, "digest": digest}


def test_an_image_arrives_under_its_official_name_for_the_platform_of_machines(shop, weave, read):
    names, config = read(shop.fetch(pinned(weave)) / "file")
    assert names == [WEAVE]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_a_file_can_be_taken_out_of_it(shop, weave):
    into = shop.fetch({**pinned(weave), "files": {"greeting": "hello"}})
    assert (into / "greeting").read_text() == "weaveworks/weave-kube:2.8.1-amd64 amd64"
    assert os.access(into / "greeting", os.X_OK)


def test_layers_that_are_there_are_not_fetched_again(shop, registry, weave):
    shop.fetch(pinned(weave))
    with in_front(registry) as (mirror, seen):
        shop.fetch(pinned(weave), mirror)
    with tarfile.open(shop.tmp / "into/file") as tar:
        config = next(n for n in tar.getnames() if n.endswith(".json") and n != "manifest.json")
    parts = {line.rpartition("sha256:")[2] for line in seen if "/blobs/" in line}
    assert parts == {config.removesuffix(".json")}


def test_a_part_that_was_spoiled_on_disk_is_fetched_again(shop, weave, tmp_path, read):
    shop.fetch(pinned(weave))
    for part in (tmp_path / "cache/oci/sha256").iterdir():
        part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert read(shop.fetch(pinned(weave)) / "file")[0] == [WEAVE]


def test_a_registry_with_tokens_gives_one_for_the_users_login(shop, registry, weave, monkeypatch):
    with in_front(registry, "token") as (mirror, _):
        kept = json.loads(registry.logins.read_text())["auths"][registry.name]
        logins = shop.tmp / "logins.json"
        logins.write_text(json.dumps({"auths": {mirror: kept}}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(logins))
        assert (shop.fetch(pinned(weave), mirror) / "file").is_file()


def test_a_mirror_below_a_path_is_asked_there(shop, registry, weave):
    mirrored = registry.push("hub/weaveworks/weave-kube", "2.8.1")
    assert (shop.fetch(pinned(mirrored), f"{registry.name}/hub") / "file").is_file()


def test_a_mirror_without_tls_gives_what_has_a_digest_and_locks_nothing(shop, registry, weave):
    with in_front(registry, tls=False) as (name, seen):
        mirror = {"docker.io": f"http://{name}"}
        assert (shop.fetch(pinned(weave), registry_mirror=mirror) / "file").is_file()
        assert seen
        route = shop.workshop({"image": WEAVE}, registry_mirror=mirror).route
        with pytest.raises(LabError, match="is asked without TLS"):
            resolve(WEAVE, route)


def test_a_registry_is_asked_where_its_mirror_fails(shop, registry, weave):
    """The image's own name has the registry; its mirror is a registry that is down."""
    image = f"{registry.name}/weaveworks/weave-kube:2.8.1"
    mirror = {registry.name: f"https://{NOBODY}"}
    assert (shop.fetch(pinned(weave, image), registry_mirror=mirror) / "file").is_file()


def test_a_proxy_is_the_only_way_out(shop, registry, weave, monkeypatch):
    """Nobody knows the name of the mirror but the proxy."""
    kept = json.loads(registry.logins.read_text())["auths"][registry.name]
    logins = shop.tmp / "logins.json"
    logins.write_text(json.dumps({"auths": {"registry.invalid": kept}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(logins))
    with proxy_to(registry) as (proxy, seen):
        assert (shop.fetch(pinned(weave), "registry.invalid", proxy=proxy) / "file").is_file()
    assert set(seen) == {"registry.invalid:443"}
    assert len(seen) >= 3


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_ca_file_that_is_none_is_named(shop, weave, text):
    file = shop.tmp / "ca.pem"
    if text:
        file.write_text(text)
    assert f"artifacts.ca_file: {file}" in refusal(shop, pinned(weave), ca_file=str(file))


def test_a_wrong_digest_is_refused(shop, weave):
    told = refusal(shop, pinned("sha256:" + "0" * 64))
    assert f"The catalogue says sha256:{'0' * 64}, and the tag has {weave}" in told


def test_an_unknown_tag_is_refused(shop):
    told = refusal(shop, pinned("sha256:" + "0" * 64, "docker.io/weaveworks/weave-kube:9"))
    assert "weaveworks/weave-kube:9: 127.0.0.1" in told
    assert "has no such image" in told


def test_an_image_that_is_published_for_other_platforms_is_refused(shop, registry):
    digest = registry.push_index("arm/only", "1", ["arm64"])
    assert "for other platforms only" in refusal(shop, pinned(digest, "docker.io/arm/only:1"))


def test_so_is_one_without_an_index(shop, registry):
    digest = registry.push("arm/single", "1", arch="arm64")
    assert "It is for linux/arm64" in refusal(shop, pinned(digest, "docker.io/arm/single:1"))


def test_a_missing_login_is_told(shop, registry, weave, monkeypatch):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/nonexistent")
    told = refusal(shop, pinned(weave))
    assert "wants a login" in told
    assert f"skopeo login {registry.name}" in told


def test_a_limit_is_told_with_the_time_to_wait(shop, registry, weave):
    with in_front(registry, "limit") as (mirror, seen):
        told = refusal(shop, pinned(weave), mirror)
    assert "refuses more requests for now" in told
    assert "it says to wait 42 s" in told
    assert len(seen) == 1


def test_a_web_page_is_no_manifest(shop, registry, weave):
    with in_front(registry, "page") as (mirror, _):
        assert "sent a web page instead of a manifest" in refusal(shop, pinned(weave), mirror)


def test_half_an_image_is_not_taken_and_the_rest_comes_later(shop, registry, weave):
    with in_front(registry, "half") as (mirror, _):
        assert "a part of the image that is not whole" in refusal(shop, pinned(weave), mirror)
    assert (shop.fetch(pinned(weave)) / "file").is_file()


def test_a_registry_that_is_down_is_told(shop, weave):
    told = refusal(shop, pinned(weave), NOBODY)
    assert f"{NOBODY} does not answer" in told


def test_a_certificate_of_nobody_is_told_with_the_key_for_its_authority(shop, weave):
    told = refusal(shop, pinned(weave), ca_file="")
    assert "is not trusted" in told
    assert "artifacts.ca_file" in told


def test_a_tag_without_a_digest_is_not_fetched_before_it_is_in_the_lock(shop, weave):
    assert "kubelab artifacts lock" in refusal(shop, {"image": WEAVE})


def test_a_locked_tag_is_fetched_and_refused_once_it_moved(shop, registry, read):
    image = "docker.io/moving/tag:1"
    before = registry.push("moving/tag", "1", "before")
    found = resolve(image, shop.workshop({"image": image}).route)
    assert found == before
    read_lock().keep({image: found})
    assert read(shop.fetch({"image": image}) / "file")[0] == [image]
    after = registry.push("moving/tag", "1", "after")
    told = refusal(shop, {"image": image})
    assert "another image under this tag than before" in told
    assert before in told
    assert after in told


def test_no_pull_is_spent_to_ask(shop, registry, weave):
    with in_front(registry) as (mirror, seen):
        workshop = shop.workshop(pinned(weave), mirror)
        for pin in source_of("tiny", workshop).pins():
            pin.check_somewhere(workshop.route)
    assert {line.split()[0] for line in seen} == {"HEAD"}
