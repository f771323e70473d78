"""The login for an image, from the files of podman, skopeo and docker."""

import base64
import json
import stat

import pytest

from provisioner.artifacts.registry_login import find_login
from provisioner.errors import LabError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(file, **keys):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(keys))
    return file


def of(user, password="word:with:colons"):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_without_a_file_there_is_none():
    assert find_login("registry.k8s.io", "pause") is None


def test_dockers_own_key_for_docker_hub_is_understood(home):
    file = write(home / ".docker/config.json", auths={"https://index.docker.io/v1/": of("me")})
    found = find_login("docker.io", "library/busybox")
    assert (found.file, found.user, found.password) == (file, "me", "word:with:colons")
    assert find_login("ghcr.io", "x/y") is None


def test_the_nearest_file_wins_and_the_longest_key_in_it(home):
    write(home / ".docker/config.json", auths={"quay.io": of("docker")})
    write(home / ".config/containers/auth.json", auths={"quay.io": of("all")})
    assert find_login("quay.io", "org/app").user == "all"
    write(home / "run/containers/auth.json", auths={"quay.io": of("one"), "quay.io/org": of("org")})
    assert find_login("quay.io", "org/app").user == "org"
    assert find_login("quay.io", "other/app").user == "one"


def test_a_chosen_file_is_the_only_one(home, monkeypatch):
    write(home / ".docker/config.json", auths={"quay.io": of("docker")})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "none"))
    assert find_login("quay.io", "org/app") is None


def test_a_program_that_keeps_logins_is_asked(home, monkeypatch):
    helper = home / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(
        '#!/bin/sh\nread key\necho "{\\"Username\\": \\"$key\\", \\"Secret\\": \\"s\\"}"\n'
    )
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(helper.parent), prepend=":")
    write(home / ".docker/config.json", credHelpers={"quay.io": "test"})
    assert find_login("quay.io", "org/app").user == "quay.io"


def test_a_spoiled_file_is_named(home):
    file = home / ".docker/config.json"
    file.parent.mkdir()
    file.write_text("{")
    with pytest.raises(LabError, match=str(file)):
        find_login("quay.io", "x")
