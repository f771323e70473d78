"""The archive for a report of a fault: whole, private, and without the secrets of the lab."""

import base64
import json
import tarfile
from dataclasses import replace

import pytest

from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.errors import LabError, UsageError
from provisioner.lab import Lab
from provisioner.queries import bundle
from provisioner.shell import Result
from provisioner.spec import parse_spec

SECRETS = {
    "in a Secret": "grey-elephant-in-a-secret",
    "of the proxy": "hunter22",
    "token": "abcdef.0123456789abcdef",
    "of ssh": "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
    "of kubeconfig": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0t",
    "in the environment of a pod": "purple-rhino-in-a-log",
}
ALL = "\n".join(SECRETS.values())


class Kubectl:
    def call(self, *words, **more):
        return Result((), 0, f"NAME STATUS\nmaster Ready\n{ALL}\n", "")

    def get(self, *words, **more):
        values = (SECRETS["in a Secret"], SECRETS["in the environment of a pod"])
        data = {str(n): base64.b64encode(v.encode()).decode() for n, v in enumerate(values)}
        return [{"data": {**data, "namespace": base64.b64encode(b"default").decode()}}]


class Silent(Kubectl):
    def call(self, *words, **more):
        raise LabError("kubectl failed", f"connection refused {SECRETS['token']}")


@pytest.fixture
def context(good, monkeypatch, tmp_path):
    good["artifacts"]["proxy"] = f"http://me:{SECRETS['of the proxy']}@proxy:3128"
    spec = parse_spec(good, "lab.yml", offers)
    lab = Lab(spec.name)
    lab.prepare()
    lab.save_spec(spec)
    users = [{"user": {"client-key-data": SECRETS["of kubeconfig"]}}]
    lab.write(lab.kubeconfig, json.dumps({"users": users}))
    (lab.runs / "1-up.jsonl").write_text(json.dumps({"task": "Join", "detail": ALL}) + "\n")
    found = make_context(lab, spec)
    key = tmp_path / "key"
    key.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRETS['of ssh']}\n")
    access = replace(found.provider.access, key=key)
    monkeypatch.setattr(type(found.provider), "access", property(lambda _: access))
    monkeypatch.setattr(type(found), "kubectl", property(lambda _: Kubectl()))
    says = lambda node, argv, check: Result((), 0, f"kubelet: {ALL}\n", "")  # noqa: E731
    monkeypatch.setattr(found.provider, "exec", says)
    monkeypatch.setattr(bundle, "status_of", lambda _: {"phase": "running"})
    monkeypatch.setattr(bundle, "plan_of", lambda _: [])
    return found


def texts(path):
    with tarfile.open(path) as tar:
        return {m.name.partition("/")[2]: tar.extractfile(m).read().decode() for m in tar}


def test_it_has_all_parts_and_is_for_its_owner_alone(context, tmp_path):
    found = bundle.bundle_of(context, tmp_path / "a.tar.gz")
    assert found.path.stat().st_mode & 0o777 == 0o600
    parts = texts(found.path)
    wanted = {"versions.json", "status.json", "plan.json", "lab/lab.yml", "lab/run/1-up.jsonl"}
    wanted |= {"cluster/nodes.txt", "cluster/events.txt", "host/memory.txt"}
    wanted |= {f"nodes/{n}/journal.txt" for n in ("master", "worker1", "worker2")}
    wanted |= {"nodes/master/static-pods.txt", "nodes/master/causes.txt"}
    assert wanted <= set(parts)
    assert "Ready" in parts["cluster/nodes.txt"]


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_of_the_lab_is_in_it(context, tmp_path, name):
    parts = texts(bundle.bundle_of(context, tmp_path / "a.tar.gz").path)
    secret = SECRETS[name]
    assert [member for member, text in parts.items() if secret in text] == []
    encoded = base64.b64encode(secret.encode()).decode()
    assert [member for member, text in parts.items() if encoded in text] == []


def test_a_cluster_that_is_silent_is_told_and_stops_nothing(context, tmp_path, monkeypatch):
    monkeypatch.setattr(type(context), "kubectl", property(lambda _: Silent()))
    found = bundle.bundle_of(context, tmp_path / "a.tar.gz")
    assert "connection refused" in found.missing["cluster/nodes.txt"]
    assert SECRETS["token"] not in found.missing["cluster/nodes.txt"]
    assert "cluster/nodes.txt" in json.loads(texts(found.path)["missing.json"])


def test_a_file_that_is_there_is_kept(context, tmp_path):
    place = tmp_path / "a.tar.gz"
    place.write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        bundle.bundle_of(context, place)
    assert place.read_text() == "mine"
