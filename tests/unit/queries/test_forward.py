"""A forward tells who has its port before it says anything else, and follows its pod."""

import json
import socket
from contextlib import closing

import pytest

from provisioner.checks.kubectl import Kubectl
from provisioner.errors import LabError
from provisioner.queries import forward
from provisioner.queries.dashboard import Page
from provisioner.queries.forward import check_forward, forwarded

PAGE = Page("headlamp", "ClusterIP", "http", 80, 0, True, "", 4466, {"app": "headlamp"})
# Answers from files beside it, and forwards for as long as it lives.
KUBECTL = """\
#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
  *port-forward*) echo "$*" >> calls; cat said; [ ! -e broken ] || exit 1; exec sleep 60;;
  *get*) cat pods.json;;
esac
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster whose pods are those of a file."""
    monkeypatch.setattr(forward, "LOOK_SECONDS", 0.05)
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    (tmp_path / "kubeconfig").write_text("")
    (tmp_path / "said").write_text("Forwarding from 127.0.0.1:8090 -> 4466\n")
    return Kubectl(program, tmp_path / "kubeconfig")


def have(cluster, *names):
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    items = [{"metadata": {"name": name}, "status": ready} for name in names]
    (cluster.program.parent / "pods.json").write_text(json.dumps({"items": items}))


def test_a_port_that_is_taken_is_told_with_its_holder(cluster):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LabError, match=rf"port {port} is taken by \S+ \(process \d+\)") as said:
            check_forward(cluster, port)
    assert "pass --port N" in said.value.hint
    check_forward(cluster, port)


def test_it_goes_on_with_the_next_pod(cluster):
    have(cluster, "one")
    with closing(forwarded(cluster, PAGE, 8090)) as told:
        assert next(told).endswith("forwarding port 8090 to pod one")
        have(cluster)
        assert "the forward to pod one has ended" in next(told)
        have(cluster, "two")
        assert next(told).endswith("to pod two")
    calls = (cluster.program.parent / "calls").read_text()
    assert "-n headlamp port-forward pod/two --address=127.0.0.1 8090:4466" in calls


def test_what_kubectl_says_is_told(cluster):
    have(cluster, "one")
    with (cluster.program.parent / "said").open("a") as said:
        said.write("Handling connection for 8090\nE1 error: connection refused\n")
    with closing(forwarded(cluster, PAGE, 8090)) as told:
        next(told)
        assert next(told) == "kubectl: E1 error: connection refused"


def test_a_forward_that_does_not_start_says_what_kubectl_said(cluster):
    have(cluster, "one")
    (cluster.program.parent / "broken").touch()
    (cluster.program.parent / "said").write_text("error: unable to listen on any of the ports\n")
    with pytest.raises(LabError) as said:
        next(forwarded(cluster, PAGE, 8090))
    assert "unable to listen" in said.value.details


def test_a_page_without_a_pod_is_an_error_in_the_end(cluster, monkeypatch):
    monkeypatch.setattr(forward, "POD_SECONDS", 0.1)
    have(cluster)
    with pytest.raises(LabError, match="no pod of headlamp is Ready"):
        next(forwarded(cluster, PAGE, 8090))
