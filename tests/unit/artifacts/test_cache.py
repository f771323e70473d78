import os
import shutil

import pytest

from provisioner.artifacts.cache import every_order, list_entries, prune, wanted_entries
from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.artifacts.steps import ROOT, root_step
from provisioner.artifacts.store import Store
from provisioner.spec import Artifacts


@pytest.fixture
def workshop(tmp_path):
    return Workshop(workshop_of(Artifacts()).catalog, tmp_path)


@pytest.fixture
def wanted(workshop):
    return wanted_entries(every_order(workshop))


def put(cache, name, key):
    store = Store(cache / "built")
    draft = store.draft(name)
    (draft / "file").write_text(name)
    return store.keep(draft, name, key)


def put_set(cache, name, entry):
    folder = cache / "sets" / name
    (folder / "bin").mkdir(parents=True)
    os.link(entry / "file", folder / "bin/file")
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_list_tells_wanted_from_outdated_and_finds_corruption(workshop, wanted, tmp_path):
    current_root = put(tmp_path, ROOT, root_step(workshop).key)
    put(tmp_path, "etcd-2", "old")
    stock = {item.name.partition("@")[0]: item for item in list_entries(tmp_path, wanted)}
    assert stock[ROOT].wanted
    assert stock[ROOT].size == len(ROOT)
    assert not stock["etcd-2"].wanted
    (current_root / "file").write_text("corrupt")
    (stock,) = [item for item in list_entries(tmp_path, wanted, verify=True) if item.fault]
    assert stock.path == current_root


def test_prune_removes_only_what_nobody_needs(workshop, wanted, tmp_path):
    current_root = put(tmp_path, ROOT, root_step(workshop).key)
    old, held = put(tmp_path, "etcd-2", "old"), put(tmp_path, ROOT, "held")
    current, orphan = put_set(tmp_path, "current", current_root), put_set(tmp_path, "orphan", old)
    kept = put_set(tmp_path, "kept", old)
    (tmp_path / "go").mkdir()
    removed = prune(tmp_path, wanted, [kept, held / "tree"])
    # Two sets held the old file, so pruning its entry leaves it with a link in each.
    assert {item.path for item in removed} == {old}
    whole = (current_root, held, current, tmp_path / "go")
    assert all(path.is_dir() for path in (*whole, orphan, kept))
    # With the first of the two sets the link of the second is the last one, and it goes as well.
    shutil.rmtree(orphan)
    removed = prune(tmp_path, wanted, [held])
    assert {item.path for item in removed} == {kept}
    assert all(path.is_dir() for path in whole)


def test_prune_removes_a_set_whose_entry_is_gone(workshop, wanted, tmp_path):
    old = put(tmp_path, "etcd-2", "old")
    orphan = put_set(tmp_path, "orphan", old)
    removed = prune(tmp_path, wanted, [])
    assert {item.path for item in removed} == {old, orphan}
    assert not orphan.exists()


def test_prune_of_the_workshop_takes_the_compiler_caches_along(workshop, wanted, tmp_path):
    (tmp_path / "go/build").mkdir(parents=True)
    (tmp_path / "go/build/a").write_text("cache")
    (removed,) = prune(tmp_path, wanted, [], everything=True)
    assert removed.size == 5
    assert not (tmp_path / "go").exists()


def test_prune_removes_what_vagrant_unpacked_of_boxes_that_are_gone(workshop, wanted, tmp_path):
    held = put(tmp_path, "box-mine", "key")
    boxes = tmp_path / "vagrant/boxes"
    for name in ("box-mine-key", "box-mine-older"):
        (boxes / f"kubelab-VAGRANTSLASH-{name}").mkdir(parents=True)
    prune(tmp_path, wanted, [held / "package.box"])
    assert [path.name for path in boxes.iterdir()] == ["kubelab-VAGRANTSLASH-box-mine-key"]
