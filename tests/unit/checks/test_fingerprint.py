import pytest

from provisioner.checks.fingerprint import CLUSTER, TEMPLATE, difference, digest, take
from provisioner.errors import LabError
from provisioner.model import Node
from provisioner.shell import Result

NODE = Node("one", "control-plane", "10.77.0.10", 1, 512)
OBJECTS = """\
Node - one u1 10.244.0.0/24,/var/run/dockershim.sock :True
DaemonSet kube-system kube-proxy u2 1 :1=1
ConfigMap kube-system coredns u3 184 :
ClusterRole - kubeadm:get-nodes u4 20 :
ClusterRole - flannel u5 40 applied:
Deployment default theirs u6 1 :2=<no value>
Secret - x u7 9 :
"""
MACHINE = "file /etc/hosts 12.5\nunit Id=docker\nsysctl net.ipv4.ip_forward 1\nimage a:1 sha256:1\n"


class Answers:
    """Machines and kubectl that answer as they are told."""

    def __init__(self, objects=OBJECTS, dns=0, machine=MACHINE):
        self.objects, self.dns, self.machine = objects, dns, machine

    def exec(self, node, argv, *, check=True):
        return Result(tuple(argv), 0, self.machine, "")

    def call(self, *words, check=True, timeout=60):
        if "--raw" in words and self.dns:
            raise LabError("kubectl failed")
        pods = "pod/coredns-1\n" if "pods" in words else self.objects
        return Result(words, 0, pods, "")


def taken(*, well=True, **more):
    answers = Answers(**more)
    return take(answers, [NODE], answers, well=well)


def test_it_has_every_machine_and_what_roles_or_kubeadm_made():
    found = taken()
    assert found["one"] == MACHINE.splitlines()
    names = [line.split()[2] for line in found[CLUSTER]]
    assert names == ["flannel", "coredns", "kube-proxy", "one"]


@pytest.mark.parametrize(
    ("well", "ill"),
    [(":True", ":Unknown"), (":1=1", ":2=1"), (":1=1", ":1=<no value>")],
)
def test_a_cluster_that_is_not_well_has_none(well, ill):
    with pytest.raises(LabError, match="not ready"):
        taken(objects=OBJECTS.replace(well, ill))
    # What the roles have just left may have a pod that is about to be Ready.
    assert taken(objects=OBJECTS.replace(well, ill), well=False) == taken()


@pytest.mark.parametrize("part", MACHINE.splitlines())
def test_a_machine_that_leaves_a_part_out_has_none(part):
    with pytest.raises(LabError, match=part.split()[0]):
        taken(machine=MACHINE.replace(f"{part}\n", ""))


def test_cluster_dns_is_asked_itself():
    with pytest.raises(LabError):
        taken(dns=1)


def test_what_differs_is_named():
    before = taken()
    assert difference(before, taken()) == ""
    moved = {**before, "one": MACHINE.replace("12.5", "13.5").splitlines()}
    assert difference(before, moved) == "one: file /etc/hosts"
    for line in (0, 1, 2, 3):
        lines = [*before[CLUSTER][:line], *before[CLUSTER][line + 1 :]]
        assert difference(before, {**before, CLUSTER: lines}).startswith("cluster: ")
    assert "two" in difference(before, {**before, "two": []})


def test_what_others_add_to_the_cluster_is_theirs_but_for_nodes():
    before = taken()
    added = [*before[CLUSTER], "ConfigMap theirs x u9 1 applied"]
    assert difference(before, {**before, CLUSTER: added}) == ""
    assert difference(before, {**before, CLUSTER: [*added, "Node - two u8 x "]}) != ""


def test_no_content_of_a_secret_is_asked_for():
    assert ".data" not in TEMPLATE
    assert "stringData" not in TEMPLATE


def test_the_digest_is_of_files_and_of_those_that_texts_name(tmp_path):
    role, template = tmp_path / "roles/tasks.yml", tmp_path / "addon.yml.j2"
    role.parent.mkdir()
    role.write_text("a")
    template.write_text("b")

    def now(text=f'{{"template": "{template}"}}'):
        return digest([role.parent], [text])

    first = now()
    assert now() == first
    assert now("other") != first
    template.write_text("c")
    second = now()
    assert second != first
    role.write_text("d")
    assert now() != second
