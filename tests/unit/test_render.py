from pathlib import Path

import yaml

from provisioner.catalog.load import known_by, merged_keys
from provisioner.render import Places, render_inventory
from provisioner.spec import parse_spec

PLACES = Places(
    Path("/lab/inventory.yml"), Path("/lab/kubeconfig"), Path("/cache/set"), "/on/nodes"
)


def render(good, group_vars=None):
    spec = parse_spec(good, "lab.yml", known_by)
    catalogue = merged_keys(spec.artifacts.overrides)
    return render_inventory(spec, PLACES, group_vars or {}, catalogue)


def test_the_inventory_is_as_it_was(good, snapshot):
    assert render(good, {"ansible_user": "root"}) == snapshot


def test_every_node_is_in_the_group_of_its_role(good):
    cluster = yaml.safe_load(render(good))["cluster"]["children"]
    assert list(cluster["control_plane"]["hosts"]) == ["master"]
    assert list(cluster["workers"]["hosts"]) == ["worker1", "worker2"]


def test_an_override_arrives_whole(good):
    good["artifacts"]["overrides"] = {"artifacts_machine_root": {"suite": "trixie"}}
    root = yaml.safe_load(render(good))["cluster"]["vars"]["artifacts_machine_root"]
    assert root["suite"] == "trixie"
    assert "docker.io" in root["packages"]
