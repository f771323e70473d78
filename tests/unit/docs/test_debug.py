"""Images to look into a cluster with: the page names what nodes have, and verify asks there."""

import pytest

from provisioner.artifacts.offer import workshop_of
from provisioner.spec import Artifacts
from tests.labs import PROJECT

CATALOG = workshop_of(Artifacts(source="upstream")).catalog
KUBERNETES = [c for c in CATALOG.components.values() if c.kind == "kubernetes"]


@pytest.mark.parametrize("component", KUBERNETES, ids=lambda component: component.version)
def test_nodes_have_what_the_page_debugs_with(component):
    page = (PROJECT / "docs/debug.md").read_text()
    images = component.images
    assert "debug" in images or "toolbox" in images["toolbox"].layers
    for name in images.keys() & {"debug", "toolbox"}:
        assert CATALOG.reference(name, images[name]) in page
