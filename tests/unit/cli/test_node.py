import pytest

from provisioner.artifacts.offer import offers
from provisioner.cli.node import checked_node, reset
from provisioner.context import make_context
from provisioner.errors import UsageError
from provisioner.lab import Lab
from provisioner.spec import parse_spec


@pytest.fixture
def lab(good):
    """Two labs; the other one has a worker that this one has not."""
    for name, worker in (("here", "worker1"), ("there", "worker9")):
        data = {**good, "name": name, "nodes": [dict(node) for node in good["nodes"]]}
        data["nodes"][1]["name"] = worker
        lab = Lab(name)
        lab.prepare()
        lab.save_spec(parse_spec(data, "lab.yml", offers))
    return make_context(Lab("here"), Lab("here").load_spec(), lambda _: None)


def test_a_node_of_the_lab_passes(lab):
    checked_node(lab, "worker1")


def test_an_unknown_node_is_refused_with_those_that_there_are(lab):
    with pytest.raises(UsageError, match="no node named 'worker7'") as refused:
        checked_node(lab, "worker7")
    assert refused.value.details == "Nodes: master, worker1, worker2"


def test_a_node_of_another_lab_is_refused_with_the_name_of_that_lab(lab):
    with pytest.raises(UsageError, match="lab here has no node named 'worker9'") as refused:
        checked_node(lab, "worker9")
    assert "worker9 is a node of lab there: select it with --name" in refused.value.details


def test_the_control_plane_is_reset_only_by_a_flag_that_says_what_is_lost(lab):
    with pytest.raises(UsageError, match="master is the control plane") as refused:
        reset("master", name="here")
    assert "every object of the cluster" in refused.value.details
    assert "--lose-cluster" in refused.value.hint
