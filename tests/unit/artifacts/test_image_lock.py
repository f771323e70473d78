"""The lock of images: what people commit, and what they may have spoiled."""

import time

import pytest

from provisioner.artifacts.image_lock import read_lock
from provisioner.errors import LabError
from tests.unit.spec.test_load import TOO_MUCH

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBELAB_IMAGE_LOCK", str(tmp_path / "lock.yml"))
    return tmp_path / "lock.yml"


def test_what_is_kept_is_read_again_under_any_name_of_the_image(file):
    assert read_lock().digest("busybox:1") == ""
    read_lock().keep({"docker.io/library/busybox:1": DIGEST})
    assert read_lock().digest("busybox:1") == DIGEST
    assert file.read_text().startswith("# Digests of images")


def test_what_was_kept_before_stays(file):
    read_lock().keep({"b:1": DIGEST})
    read_lock().keep({"a:1": DIGEST})
    assert [line for line in file.read_text().splitlines() if line[0] != "#"] == [
        f"a:1: {DIGEST}",
        f"b:1: {DIGEST}",
    ]


@pytest.mark.parametrize("text", ["[1]", "busybox:1: latest", "a: b: c", "busybox:1:"])
def test_a_spoiled_file_is_refused(file, text):
    file.write_text(text)
    with pytest.raises(LabError, match="not a lock of images"):
        read_lock()


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_file_that_is_too_much_is_refused_within_a_second(file, name):
    file.write_text(TOO_MUCH[name][0])
    begin = time.process_time()
    with pytest.raises(LabError, match="not a lock of images"):
        read_lock()
    assert time.process_time() - begin < 1


def test_a_file_that_cannot_be_written_is_told(monkeypatch):
    monkeypatch.setenv("KUBELAB_IMAGE_LOCK", "/proc/lock.yml")
    with pytest.raises(LabError, match="cannot write the lock"):
        read_lock().keep({"a:1": DIGEST})
