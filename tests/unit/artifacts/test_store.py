import os
import threading

import pytest

from provisioner.artifacts.store import Store, content_key
from provisioner.errors import BusyError


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "built")


@pytest.fixture
def entry(store):
    draft = store.draft("tool")
    (draft / "bin").mkdir()
    (draft / "bin/tool").write_bytes(b"good")
    (draft / "bin/alias").symlink_to("tool")
    return store.keep(draft, "tool", "k1")


def test_a_kept_draft_is_whole_and_named_by_its_key(store, entry):
    assert entry == store.path("tool", "k1")
    assert store.faults(entry) == []
    assert store.entries() == [entry]
    assert list(store.sums(entry)) == ["bin/tool"]


def test_what_a_killed_run_left_in_a_draft_is_thrown_away(store):
    (store.draft("tool") / "half").write_text("x")
    assert list(store.draft("tool").iterdir()) == []


def test_a_truncated_or_missing_file_is_a_fault(store, entry):
    (entry / "bin/tool").write_bytes(b"goo")
    assert store.faults(entry) == ["bin/tool"]
    (entry / "bin/tool").unlink()
    assert store.faults(entry) == ["bin/tool"]


def test_other_bytes_of_the_same_size_are_a_fault(store, entry):
    (entry / "bin/tool").write_bytes(b"evil")
    os.utime(entry / "bin/tool", (1, 1))
    assert store.faults(entry) == ["bin/tool"]


def test_a_new_time_alone_is_no_fault_and_is_hashed_only_once(store, entry):
    os.utime(entry / "bin/tool", (1, 1))
    assert store.faults(entry) == []
    recorded = (entry / ".files.json").read_text()
    assert store.faults(entry) == []
    assert (entry / ".files.json").read_text() == recorded


def test_only_hashing_all_finds_a_change_that_keeps_size_and_time(store, entry):
    tool = entry / "bin/tool"
    before = tool.stat()
    tool.write_bytes(b"evil")
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.faults(entry) == []
    assert store.faults(entry, hash_all=True) == ["bin/tool"]


def test_a_broken_list_is_a_fault(store, entry):
    (entry / ".files.json").write_text("{")
    assert store.faults(entry) == [".files.json"]


def test_keys_follow_content_and_not_order():
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})


def test_a_second_writer_is_told_who_holds_the_store(store):
    held, done = threading.Event(), threading.Event()

    def hold():
        with store.locked(0):
            held.set()
            done.wait(5)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(5)
    with pytest.raises(BusyError, match="another process is building"), store.locked(0):
        pass
    done.set()
    other.join()
