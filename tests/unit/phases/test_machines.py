from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import LabError
from provisioner.lab import Lab, profiles
from provisioner.phases.machines import image_of, set_on_nodes
from provisioner.spec import read_spec


def context(profile, artifacts=None):
    found = make_context(Lab(profile), read_spec(profiles()[profile], offers))
    return replace(found, artifacts=artifacts)


def test_a_provider_is_made_from_the_spec_alone_and_changes_nothing(tmp_path):
    assert context("embedded").provider.name == "machine"
    assert context("debian12").provider.name == "vagrant"
    assert not (tmp_path / "labs").exists()


def test_the_name_of_an_image_changes_with_its_content_and_is_a_name_to_vagrant():
    folder, box = Path("/cache/sets/key"), Path("/cache/built/box-debian12@0a1b/package.box")
    image = image_of(context("debian12", ArtifactSet(folder, None, (), box)))
    assert (image.name, image.path) == ("box-debian12-0a1b", box)


def test_machines_see_every_set_so_that_a_new_one_needs_no_restart():
    folder, tree = Path("/cache/sets/key"), Path("/cache/built/root@0a1b/tree")
    image = image_of(context("embedded", ArtifactSet(folder, tree, ())))
    assert image.path == tree
    (mount,) = image.mounts.items()
    assert set_on_nodes(folder) == f"{mount[1]}/{folder.relative_to(mount[0])}"


def test_without_artifacts_there_is_no_image():
    with pytest.raises(LabError, match="no artifact set"):
        image_of(context("embedded"))
