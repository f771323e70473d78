"""The name of a lab on a host, which its folder keeps."""

import shutil

import pytest

from provisioner.providers.naming import LABEL_FILE, keep_label, label_of


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "here/lab"
    found.mkdir(parents=True)
    return found


def test_a_folder_that_is_renamed_keeps_its_label(folder, tmp_path):
    label = label_of("lab", folder)
    keep_label("lab", folder)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there/lab"
    assert label_of("lab", moved) == label
    keep_label("lab", moved)
    assert label_of("lab", moved) == label


def test_a_copy_is_another_lab(folder, tmp_path):
    keep_label("lab", folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert label_of("lab", copy) != label_of("lab", folder)
    keep_label("lab", copy)
    assert label_of("lab", copy) != label_of("lab", folder)


@pytest.mark.parametrize("text", ["", "lab-123456", "lab-123456 x", "other-123456 {inode}"])
def test_a_file_that_is_not_its_own_counts_as_none(text, folder):
    label = label_of("lab", folder)
    (folder / LABEL_FILE).write_text(text.format(inode=folder.stat().st_ino))
    assert label_of("lab", folder) == label
    keep_label("lab", folder)
    assert (folder / LABEL_FILE).read_text() == f"{label} {folder.stat().st_ino}\n"
