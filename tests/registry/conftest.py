"""The registry, and a workshop whose images come from it under their official names."""

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.spec import Artifacts
from tests.registry.serve import Registry, serve


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    found = serve(tmp_path_factory.mktemp("registry"))
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()


@pytest.fixture(scope="session")
def weave(registry: Registry) -> str:
    """The digest of an image in the registry: an index of two platforms and an attestation."""
    return registry.push_index("weaveworks/weave-kube", "2.8.1", ["arm64", "amd64"])


@pytest.fixture(autouse=True)
def elsewhere(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """No test reads or writes a real lab, lock or login; nor the cache, if it makes no lab."""
    if not request.node.get_closest_marker("extended"):
        monkeypatch.setenv("KUBELAB_HOME", str(tmp_path / "labs"))
        monkeypatch.setenv("KUBELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBELAB_IMAGE_LOCK", str(tmp_path / "lock.yml"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(registry.logins))


@dataclass
class Shop:
    """Fetches one image, through the spec's keys ``artifacts``."""

    registry: Registry
    tmp: Path

    def workshop(self, build: dict[str, Any], mirror: str = "", **keys: Any) -> Workshop:
        values: dict[str, Any] = {"ca_file": str(self.registry.ca)}
        values["registry_mirror"] = {"docker.io": f"https://{mirror or self.registry.name}"}
        one = {"tiny": {"source": "oci", **build}}
        return workshop_of(
            Artifacts(**{**values, **keys}, overrides={"artifacts_builds": one}),
        )

    def fetch(self, build: dict[str, Any], mirror: str = "", **keys: Any) -> Path:
        into = self.tmp / "into"
        into.mkdir(exist_ok=True)
        source_of("tiny", self.workshop(build, mirror, **keys)).make(into, lambda *_: None)
        return into


@pytest.fixture
def shop(registry: Registry, tmp_path: Path) -> Shop:
    return Shop(registry, tmp_path)


def in_archive(archive: Path) -> tuple[list[str], dict[str, Any]]:
    """The names in an archive, and the description of its image."""
    with tarfile.open(archive) as tar:
        found = json.load(tar.extractfile("manifest.json"))[0]
        return found["RepoTags"], json.load(tar.extractfile(found["Config"]))


@pytest.fixture
def read() -> Callable[[Path], tuple[list[str], dict[str, Any]]]:
    return in_archive
