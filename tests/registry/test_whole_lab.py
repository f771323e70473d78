"""A lab whose every image came through the registry, by its digest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.labs import PROJECT, Lab, remove
from tests.registry.serve import Registry

pytestmark = pytest.mark.extended

NAME = "kube-web-view"
# The file of the catalogue that names each image of the profile.
FILES = ("kubernetes_1_20_2", "cni_flannel", "dashboard_kube_web_view")


def overrides(registry: Registry, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    """Push the images of a set, and make them builds of the registry."""
    references = {a["name"]: a["image"] for a in artifacts if a["kind"] == "image"}
    archives = {a["name"]: Path(a["path"]) for a in artifacts if a["kind"] == "image"}
    found: dict[str, Any] = {"artifacts_builds": {}}
    for file in FILES:
        text = (PROJECT / f"roles/artifacts/defaults/main/{file}.yml").read_text()
        images = yaml.safe_load(text)[f"artifacts_{file}"]["images"]
        found[f"artifacts_{file}"] = {"images": {n: {"archive": f"oci-{n}/file"} for n in images}}
        for name in images:
            digest = registry.push_archive(archives[name], references[name])
            build = {"source": "oci", "image": references[name], "digest": digest}
            found["artifacts_builds"][f"oci-{name}"] = build
    return found


@pytest.fixture
def built() -> list[dict[str, Any]]:
    """The artifacts of the profile, as its packages make them."""
    lab = Lab("registry")
    lab.home.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = lab.json("artifacts", "build", "embedded", seconds=3600)[
        "artifacts"
    ]
    return found


@pytest.fixture
def lab(registry: Registry, built: list[dict[str, Any]]) -> Iterator[Lab]:
    lab = Lab("registry")
    data = yaml.safe_load((PROJECT / "profiles/embedded.yml").read_text())
    data |= {"name": lab.name, "nodes": data["nodes"][:2]}
    data["artifacts"] = {
        "registry_mirror": {"kubelab.local": f"https://{registry.name}"},
        "ca_file": str(registry.ca),
        "overrides": overrides(registry, built),
    }
    lab.spec.write_text(yaml.safe_dump(data))
    yield lab
    remove(lab)


def images_of(lab: Lab) -> dict[str, str]:
    steps = lab.json("plan", "-f", str(lab.spec))["steps"]
    return {step["name"]: step["state"] for step in steps if step["kind"] == "image"}


def page_of(lab: Lab) -> str:
    """The image that the newest pod of the dashboard runs."""
    lab.kubectl("-n", NAME, "rollout", "status", f"deployment/{NAME}", "--timeout=120s")
    newest = "jsonpath={.items[-1:].status.containerStatuses[0].imageID}"
    order = "--sort-by=.metadata.creationTimestamp"
    return lab.kubectl("-n", NAME, "get", "pods", order, "-o", newest)


def test_a_lab_of_images_from_a_registry_is_whole_and_takes_one_that_was_built_anew(
    lab: Lab, registry: Registry, built: list[dict[str, Any]]
) -> None:
    before = images_of(lab)
    assert len(before) == 10
    assert set(before.values()) <= {"to fetch", "cached"}
    lab.up(1200)
    assert set(images_of(lab).values()) == {"cached"}
    assert lab.json("verify", "--name", lab.name)["ok"]

    page = page_of(lab)
    (image,) = [a for a in built if a["kind"] == "image" and a["name"] == NAME]
    data = yaml.safe_load(lab.spec.read_text())
    build = data["artifacts"]["overrides"]["artifacts_builds"][f"oci-{NAME}"]
    build["digest"] = registry.push_archive(Path(image["path"]), image["image"], author="another")
    lab.spec.write_text(yaml.safe_dump(data))
    assert sum(lab.up()["changed"].values()) > 0
    assert page_of(lab) != page

    # A second run fetches nothing, so it needs no login either.
    registry.logins.unlink()
    assert sum(lab.up()["changed"].values()) == 0
