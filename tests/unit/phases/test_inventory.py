from dataclasses import replace

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from provisioner.artifacts.artifact_set import ArtifactSet
from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.lab import Lab, profiles
from provisioner.phases.inventory import WriteInventory
from provisioner.spec import parse_spec


@pytest.fixture
def written(tmp_path):
    """The variables of the inventory that a profile leads to."""

    def written(name):
        data = yaml.safe_load(profiles()[name].read_text())
        if data["provider"]["name"] == "vagrant":
            data["provider"]["driver"] = "kvm"
        spec = parse_spec(data, name, offers)
        lab = Lab(name)
        lab.prepare()
        context = make_context(lab, spec, lambda _: None)
        context = replace(context, artifacts=ArtifactSet(tmp_path / "sets/key", None, ()))
        WriteInventory().run(context)
        return DataLoader().load(lab.inventory.read_text())["cluster"]["vars"]

    return written


def test_centos7_is_reached_by_the_python_that_its_yum_has(written):
    assert written("centos7")["ansible_python_interpreter"] == "/usr/bin/python2.7"
    assert written("debian12")["ansible_python_interpreter"] == "/usr/bin/python3"


def test_machines_that_see_folders_of_this_host_get_no_copy_of_the_set(written):
    assert written("embedded")["artifacts_node_dir"] == "/var/lib/kubelab/sets/key"
    assert written("debian12")["artifacts_node_dir"] == "/var/lib/kubelab/artifacts"
