from dataclasses import replace

import pytest
import yaml

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.catalog.load import known_by
from provisioner.lab import Lab, profiles
from provisioner.phases.cluster import WriteInventory
from provisioner.phases.machines import make_context
from provisioner.spec import parse_spec


@pytest.fixture
def written(tmp_path):
    """The variables of the inventory that a spec leads to."""

    def written(name, **artifacts):
        data = yaml.safe_load(profiles()[name].read_text())
        data["provider"]["driver"] = "kvm"
        data["artifacts"] |= artifacts
        spec = parse_spec(data, name, known_by)
        lab = Lab(name)
        lab.prepare()
        context = make_context(lab, spec, lambda _: None)
        context = replace(context, artifacts=ArtifactSet(tmp_path, None, ()))
        WriteInventory().run(context)
        return yaml.safe_load(lab.inventory.read_text())["cluster"]["vars"]

    return written


def test_centos7_is_reached_by_the_python_that_its_yum_has(written):
    assert written("centos7")["ansible_python_interpreter"] == "/usr/bin/python2.7"
    assert written("debian12")["ansible_python_interpreter"] == "/usr/bin/python3"


def test_a_mirror_and_a_proxy_of_the_spec_reach_the_nodes(written):
    found = written("centos7", proxy="http://proxy:3128/", registry_mirror="https://mirror.lan")
    assert found["node_proxy"] == "http://proxy:3128"
    assert found["docker_daemon_extra"] == {"registry-mirrors": ["https://mirror.lan"]}


def test_the_profile_of_centos7_writes_legacy_rules(written):
    links = written("centos7")["artifacts_layers"]["net"]["links"]
    assert set(links.values()) == {"xtables-legacy-multi"}
