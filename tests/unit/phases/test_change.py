import pytest

from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import SpecError
from provisioner.lab import Lab
from provisioner.phases.request import CheckRequest
from provisioner.spec import parse_spec


@pytest.fixture
def change(good):
    """Refuse or take a spec that differs by ``parts`` from the lab's own."""

    def refuse(recreate=False, **parts):
        lab = Lab("embedded")
        lab.prepare()
        lab.save_spec(parse_spec(good, "lab.yml", offers))
        other = parse_spec({**good, **parts}, "lab.yml", offers)
        CheckRequest(recreate).run(make_context(lab, other))

    return refuse


def test_another_network_is_refused_with_the_flag_that_allows_it(change):
    with pytest.raises(SpecError) as refused:
        change(cni={"name": "bridge"})
    assert "name flannel, backend vxlan" in refused.value.brief
    assert "cuts them off" in refused.value.details
    assert "--recreate-network" in refused.value.hint


def test_another_option_of_the_same_network_is_another_network(change):
    with pytest.raises(SpecError, match="another pod network"):
        change(cni={"name": "flannel", "backend": "host-gw"})


def test_the_flag_allows_another_network(change):
    change(recreate=True, cni={"name": "bridge"})


def test_the_flag_allows_nothing_else(change):
    with pytest.raises(SpecError, match="from another spec") as refused:
        change(recreate=True, cni={"name": "bridge"}, runtime={"cgroup_driver": "cgroupfs"})
    assert "runtime" in refused.value.details


def test_the_order_of_nodes_does_not_matter(change, good):
    more = {"name": "worker3", "role": "worker", "address": "10.77.0.13"}
    change(nodes=good["nodes"][::-1])
    change(nodes=[more, *good["nodes"]])


@pytest.mark.parametrize(
    ("index", "parts", "said"),
    [
        (1, {"name": "worker9"}, "nodes: worker1 is left out"),
        (1, {"address": "10.77.0.99"}, "nodes: worker1.address was 10.77.0.11"),
        (0, {"memory_mib": 8192}, "nodes: master.memory_mib was "),
    ],
)
def test_a_node_that_changed_is_named(change, good, index, parts, said):
    nodes = [{**node} for node in good["nodes"]]
    nodes[index] |= parts
    with pytest.raises(SpecError, match="from another spec") as refused:
        change(nodes=nodes[::-1])
    assert said in refused.value.details


def test_more_workers_need_no_flag(change, good):
    more = {"name": "worker3", "role": "worker", "address": "10.77.0.13"}
    change(nodes=[*good["nodes"], more])
