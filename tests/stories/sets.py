"""The artifact set of a lab, with another component in the place of its own of that kind."""

import json
from pathlib import Path

import yaml

from provisioner.artifacts.manifest import describe
from provisioner.catalog.load import load_catalog
from provisioner.model import Choice, Kind
from tests.labs import PROJECT, SharedLab

# Of the labs that such a set is for.
PROFILE = PROJECT / "profiles/embedded.yml"


def component_images(kind: Kind, name: str) -> set[str]:
    """The images of a component, as pods ask for them."""
    component = described(kind, name)
    return {image["reference"] for image in component["images"].values()}


def described(kind: Kind, name: str) -> dict:
    """A component of the catalogue, as a manifest has it; none of its files need be there."""
    catalog = load_catalog({})
    kubernetes = yaml.safe_load(PROFILE.read_text())["kubernetes"]["version"]
    wanted = Choice(kind, name, "", kubernetes=kubernetes)
    (found,) = [one for one in catalog.components.values() if one.is_chosen_by(wanted)]
    return describe(catalog, found)


def set_with(lab: SharedLab, folder: Path, kind: Kind, name: str) -> Path:
    """A set like the lab's own, whose files it shares: nothing of it is copied to a node again.

    Its images are those of the lab: a node lacks what the other component asks for.
    """
    own = (lab.dir / "bin/kubectl").resolve().parents[1]
    target = folder / f"set-{name}"
    target.mkdir()
    for path in own.iterdir():
        if path.name != "manifest.json":
            (target / path.name).symlink_to(path)
    manifest = json.loads((own / "manifest.json").read_text())
    others = [component for component in manifest["components"] if component["kind"] != kind]
    manifest["components"] = [*others, described(kind, name)]
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target
