"""What an owner of the box sends back has nothing in it that opens a door."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.centos7.report import GONE, without_secrets
from tests.labs import PROJECT

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"a\n{KEY}\nb", f"a\n{GONE}\nb"),
        (json.dumps({"key": KEY}), '{"key": "' + GONE + '"}'),
        ("kubeadm join 10.75.0.10:6443 --token abcdef.0123456789abcdef --x", f"--token {GONE} --x"),
        ("token: eyJhbGciOi.eyJpc3Mi.c2ln end", f"token: {GONE} end"),
        ("    client-key-data: LS0tLS1CRUdJTiBSU0E=\n", f"client-key-data: {GONE}\n"),
        ("WEAVE_PASSWORD=hunter2 x", f"WEAVE_PASSWORD={GONE} x"),
        ("{'password': 'hunter2'}", f"'{GONE}'"),
        ("proxy http://me:hunter2@proxy.lan:3128 is set", f"http://{GONE}@proxy.lan:3128 is set"),
        ("Authorization: Basic bWU6eA==", f"Authorization: {GONE}"),
    ],
)
def test_a_secret_is_taken_out_and_the_rest_is_kept(text, kept):
    found = without_secrets(text)
    assert kept in found
    for secret in ("hunter2", "MIIE", "0123456789abcdef", "eyJ", "LS0tLS1", "bWU6eA"):
        assert secret not in found


@pytest.mark.parametrize(
    "text",
    [
        "3.10.0-1127.el7.x86_64",
        "sha256:48e14597e88a0663b1748ac2239de6fea5e9976687f5c57b1ba2480612a0b154",
        "baseurl https://vault.centos.org/7.9.2009/os/x86_64/",
        "docker-ce-26.1.4-1.el7.x86_64",
        "overlay2 on ext4, systemd, 10.75.0.10:6443",
    ],
)
def test_what_tells_one_machine_from_another_is_kept(text):
    assert without_secrets(text) == text


def test_all_of_a_report_is_looked_through():
    found = without_secrets({"up": {"changed": {"a": 0}}, "m": [("x", KEY)], "n": None, "ok": True})
    assert found == {"up": {"changed": {"a": 0}}, "m": [["x", GONE]], "n": None, "ok": True}


STORY = """
import json
import pathlib
import pytest

@pytest.fixture(scope="module")
def story():
    found = {}
    yield found
    pathlib.Path("report.json").write_text(json.dumps(found))

@pytest.fixture
def broken(story):
    raise AssertionError("no machine")

def test_up(story):
    raise AssertionError("up said no")

def test_next(broken):
    pass

def test_good(story):
    pass
"""


def test_what_failed_is_in_the_report(tmp_path):
    shutil.copy(PROJECT / "tests/centos7/conftest.py", tmp_path)
    (tmp_path / "test_story.py").write_text(STORY)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]
    subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, check=False)
    failures = json.loads((tmp_path / "report.json").read_text())["failures"]
    assert set(failures) == {"test_up, call", "test_next, setup"}
    assert "up said no" in failures["test_up, call"]
    assert "no machine" in failures["test_next, setup"]
