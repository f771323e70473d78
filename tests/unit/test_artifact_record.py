"""What a lab is made of, as its record says it."""

import json
from pathlib import Path

import pytest

from provisioner.artifact_record import ArtifactRecord
from provisioner.errors import LabError
from provisioner.queries.verify import DEBUG, TOOLBOX


@pytest.fixture
def record(tmp_path):
    def of(*names: str) -> ArtifactRecord:
        rows = [{"kind": "image", "name": name, "image": f"{name}:1"} for name in names]
        rows.append({"kind": "binary", "name": TOOLBOX, "image": ""})
        (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": rows}))
        return ArtifactRecord(Path(tmp_path), None, None, None, ())

    return of


def test_the_first_name_that_the_set_has_is_taken(record):
    assert record(TOOLBOX, DEBUG).image(DEBUG, TOOLBOX) == "debug:1"
    assert record(TOOLBOX).image(DEBUG, TOOLBOX) == "toolbox:1"


def test_a_set_without_the_image_is_told(record):
    with pytest.raises(LabError, match="no image 'debug'"):
        record("pause").image(DEBUG, TOOLBOX)
