"""What machines answer, by written stand-ins for them."""

import base64
import datetime
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.artifacts.offer import offers
from provisioner.checks import machines
from provisioner.checks.verify import CheckFailed, Cluster, NoAnswer
from provisioner.errors import CommandError, LabError
from provisioner.shell import Result
from provisioner.spec import parse_spec

DAY = datetime.timedelta(days=1)


def pem(begins, ends):
    """A certificate that is valid between two days from now."""
    now, key = datetime.datetime.now(datetime.UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1)
    made = made.not_valid_before(now + begins * DAY).not_valid_after(now + ends * DAY)
    data = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(data).decode()


class Machines:
    """Machines that print these lines; ``causes`` by the name of a node."""

    def __init__(self, state=(), causes=None, silent=()):
        self.state, self.causes, self.silent = state, causes or {}, silent

    def __call__(self, node, argv):
        if node in self.silent:
            return Result(tuple(argv), 255, "", "ssh: connect: no route to host\n")
        lines = self.causes.get(node, []) if "--" in argv else self.state
        return Result(tuple(argv), 0, "".join(f"{line}\n" for line in lines), "")


class Api:
    def __init__(self, answer):
        self.answer = answer

    def call(self, *words, check=True):
        if isinstance(self.answer, LabError):
            raise self.answer
        return self.answer


@pytest.fixture
def asked(good):
    def ask(question, answers, answer=None):
        spec = parse_spec(good, "lab.yml", offers)
        services = ("docker.service", "kubelet.service")
        cluster = Cluster(spec, Api(answer), answers, "image", "asker", services=services)
        return question(cluster)

    return ask


def clock(late=0.0):
    return f"clock {time.time() - late}"


def test_machines_whose_services_run_are_well(asked):
    found = asked(machines.machines, Machines([clock(), "disk / 9000", "inodes / 99999"]))
    assert found == "docker.service, kubelet.service on 3 nodes"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"causes": {"worker1": ["kubelet.service is failed: F1"]}}, "worker1: kubelet.service is"),
        ({"silent": ["worker2"]}, "worker2: no answer of the machine: ssh: connect: no route"),
        ({"state": [clock(3600)]}, "master: its clock differs from this host's by 36"),
        ({"state": ["disk /var/lib/docker 3"]}, "/var/lib/docker has 3 MiB left"),
        ({"state": ["inodes / 7"]}, "/ has 7 inodes left"),
    ],
)
def test_what_is_wrong_with_a_machine_is_told_by_its_cause(asked, given, told):
    with pytest.raises(CheckFailed) as fault:
        asked(machines.machines, Machines(**{"state": [clock()], **given}))
    assert told in str(fault.value)


def test_certificates_that_are_valid_are_counted(asked):
    state = [f"certificate /a.crt {pem(-1, 9)}", f"certificate /b.crt {pem(-1, 99)}"]
    ends = datetime.datetime.now(datetime.UTC) + 9 * DAY
    found = asked(machines.certificates, Machines(state))
    assert found == f"6 valid, the first until {ends:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pem(-9, -1), "worker1: /a.crt expired on "),
        (pem(1, 9), "worker1: /a.crt is not valid before "),
        ("", "worker1: /a.crt has no certificate"),
    ],
)
def test_a_certificate_that_does_not_hold_is_named(asked, data, told):
    with pytest.raises(CheckFailed) as fault:
        asked(machines.certificates, Machines([f"certificate /a.crt {data}"]))
    assert told in str(fault.value)


def test_a_machine_is_asked_of_its_state_once_for_all_questions(good):
    asked = []

    def on_node(node, argv):
        asked.append((node, argv[2]))
        return Machines([clock(), f"certificate /a.crt {pem(-1, 9)}"])(node, argv)

    cluster = Cluster(parse_spec(good, "lab.yml", offers), Api(None), on_node, "image", "asker")
    machines.machines(cluster)
    assert machines.certificates(cluster).startswith("3 valid")
    script = machines.QUESTION.read_text()
    assert sorted(node for node, said in asked if said == script) == sorted(cluster.nodes)


READY = Result((), 0, "ok", "")
# The API server answers line by line, and kubectl puts that into one.
NOT_READY = Result((), 1, "", r'an error on the server ("[+]ping ok\n[-]etcd failed: reason\n...")')


def test_a_control_plane_that_is_ready_is_well(asked):
    assert asked(machines.control_plane, Machines(), READY).endswith("kube-scheduler on master")


def test_a_static_pod_that_does_not_run_is_no_silent_api_server(asked):
    down = Machines(causes={"master": ["static pod kube-scheduler does not run: F1"]})
    with pytest.raises(CheckFailed, match="kube-scheduler does not run") as fault:
        asked(machines.control_plane, down, READY)
    assert not isinstance(fault.value, NoAnswer)


def test_a_machine_that_is_silent_comes_before_the_silence_of_its_api_server(asked):
    silent = Machines(silent=["master"])
    with pytest.raises(NoAnswer, match="no route to host; no answer: timed out"):
        asked(machines.control_plane, silent, CommandError("kubectl", "timed out"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (NOT_READY, "etcd does not run; the API server is not ready: its check of etcd fails"),
        (CommandError("kubectl", "timed out"), "etcd does not run; no answer: timed out"),
    ],
)
def test_the_static_pod_comes_before_the_silence_that_it_causes(asked, answer, told):
    down = Machines(causes={"master": ["static pod etcd does not run"]})
    with pytest.raises(NoAnswer, match=told):
        asked(machines.control_plane, down, answer)
