"""The whole set of the profile centos7, on a host that can neither compile nor install."""

import functools
import hashlib
import http.server
import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.artifacts.image_names import short, split
from provisioner.artifacts.offer import offers, workshop_of
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.sources.oci import OciBuild
from provisioner.catalog.model import Component
from provisioner.context import Context, make_context
from provisioner.lab import Lab
from provisioner.phases.artifacts import BuildArtifacts
from provisioner.phases.host import InstallHostPackages
from provisioner.spec import parse_spec, read_spec
from tests.labs import PROJECT
from tests.registry.front import served
from tests.registry.serve import Registry

PROFILE = PROJECT / "profiles/centos7.yml"
MAKERS = re.compile(
    r"(apt|dpkg|dnf|yum|rpm|debootstrap|go$|gofmt|gcc|cc$|c\+\+|g\+\+|cpp|ld$|make$)"
)


def packed(members: list[str]) -> bytes:
    """A release: an archive with these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in members:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    return out.getvalue()


def published(folder: Path, address: str, name: str, content: bytes) -> dict[str, str]:
    """Put a file where a publisher would, and say where it is."""
    (folder / name).write_bytes(content)
    return {"url": f"{address}/{name}", "sha256": hashlib.sha256(content).hexdigest()}


def overrides(
    registry: Registry, folder: Path, address: str, workshop: Workshop, components: list[Component]
) -> dict[str, Any]:
    """Publish all that the profile fetches, small and under its official names."""
    places = [place for component in components for place in component.files.values()]
    found: dict[str, Any] = {}
    for name in workshop.catalog.builds_of(components):
        build = source_of(name, workshop).build
        if isinstance(build, OciBuild):
            _, repository, tag = split(build.image)
            found[name] = {"digest": registry.push(repository, tag)}
            continue
        found[name] = {"files": {}}
        for file in build.files:
            start = f"{name}/{file}/"
            inside = [place.removeprefix(start) for place in places if place.startswith(start)]
            content = packed(inside) if inside else start.encode()
            found[name]["files"][file] = published(folder, address, f"{name}-{file}", content)
    box = published(folder, address, "centos.box", b"a box")
    return {"artifacts_upstream": found, "artifacts_boxes": {"centos7": {"file": box}}}


@pytest.fixture
def context(registry: Registry, tmp_path: Path) -> Iterator[Context]:
    """The profile, whose publishers are on the loopback."""
    whole = yaml.safe_load(PROFILE.read_text())
    spec = read_spec(PROFILE, offers)
    workshop = workshop_of(spec.artifacts)
    components = list(workshop.catalog.resolve(spec.choices))
    folder = tmp_path / "published"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with served(handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        hosts = ("docker.io", "registry.k8s.io")
        whole["artifacts"] |= {
            "registry_mirror": dict.fromkeys(hosts, f"https://{registry.name}"),
            "ca_file": str(registry.ca),
            "overrides": overrides(registry, folder, address, workshop, components),
        }
        found = parse_spec(whole, "lab.yml", offers)
        yield make_context(Lab(found.name), found)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without package managers and compilers."""
    folder = tmp_path / "programs"
    folder.mkdir()
    programs = {p.name: p for place in os.get_exec_path() for p in Path(place).glob("*")}
    for name, program in programs.items():
        if not MAKERS.match(name):
            (folder / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))


def test_nothing_is_compiled_and_nothing_is_installed(context: Context, bare: None) -> None:
    assert not InstallHostPackages().needed(context)
    made = BuildArtifacts().run(context).artifacts
    assert made is not None
    images = {artifact.image for artifact in made.artifacts if artifact.image}
    official = {"weaveworks/weave-kube:2.8.1", "registry.k8s.io/kube-apiserver:v1.31.14"}
    assert {*official, "kubernetesui/dashboard:v2.7.0"} <= {short(image) for image in images}
    assert not [image for image in images if image.startswith("kubelab.local/")]
    assert made.box is not None
    assert made.box.read_bytes() == b"a box"
    assert BuildArtifacts().run(context).said.startswith(f"{len(made.artifacts)} from the cache")
