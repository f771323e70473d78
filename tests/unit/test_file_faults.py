"""What is said of a file that cannot be used: who owns it, and what to type."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from provisioner import file_faults
from provisioner.errors import HostError, LabError
from provisioner.file_faults import explain, read_json

# Explains the error of an action, as a user who owns nothing here.
AS_NOBODY = """
import os, sys
from pathlib import Path
from provisioner.file_faults import explain, read_json
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    exec(sys.argv[1])
except OSError as error:
    print(explain(error))
"""


def of(number, path):
    return explain(OSError(number, os.strerror(number), str(path)))


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EROFS, "KUBELAB_HOME"),
        (errno.ENOSPC, "Free some space"),
        (errno.ELOOP, "rm '{path}'"),
        (errno.EISDIR, "rmdir '{path}'"),
        (errno.ENOTDIR, "mv '{path}' '{path}'.before"),
    ],
)
def test_a_place_that_does_not_serve_is_named_with_what_to_type(number, says, tmp_path):
    path = tmp_path / "a b"
    path.touch()
    found = of(number, path)
    assert isinstance(found, HostError)
    assert str(path) in found.brief
    assert "belongs to" in found.details
    assert says.format(path=path) in found.hint


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file", "/nowhere"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        OSError("no number"),
        OSError(errno.EINVAL, "invalid", "/file"),
    ],
)
def test_other_errors_stay_bugs(error):
    assert explain(error) is None


def test_root_is_told_of_what_root_may_not_do(tmp_path, monkeypatch):
    monkeypatch.setattr(file_faults.os, "geteuid", lambda: 0)
    found = explain(PermissionError(errno.EPERM, "not permitted", str(tmp_path)))
    assert "lsattr" in found.hint
    assert explain(PermissionError(errno.EPERM, "not permitted")) is None


def test_a_user_is_told_to_be_root_where_no_file_is_named(monkeypatch):
    monkeypatch.setattr(file_faults.os, "geteuid", lambda: 65534)
    found = explain(PermissionError(errno.EPERM, "Operation not permitted"))
    assert "sudo kubelab" in found.hint


@pytest.fixture
def here():
    """A folder that everybody may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "closed/lab").mkdir(parents=True)
        (folder / "open").mkdir()
        (folder / "open/secret").touch()
        for name, mode in {"open/secret": 0, "open": 0o555, "closed": 0, ".": 0o755}.items():
            (folder / name).chmod(mode)
        yield folder
        for name in ("closed", "open"):
            (folder / name).chmod(0o700)


@pytest.mark.parametrize(
    ("action", "culprit"),
    [
        ("Path({here!r}, 'closed/lab/lab.yml').read_text()", "closed"),
        ("Path({here!r}, 'closed/lab/lab.yml').stat()", "closed"),
        ("Path({here!r}, 'open/new').mkdir()", "open"),
        ("Path({here!r}, 'open/secret').read_text()", "open/secret"),
        ("Path({here!r}, 'open/secret').write_text('')", "open/secret"),
    ],
)
def test_the_owner_of_what_is_in_the_way_is_named(action, culprit, here):
    code = action.format(here=str(here))
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, code], capture_output=True, text=True, check=True
    )
    assert f" {here / culprit} belongs to " in done.stdout, done.stdout
    assert "sudo" in done.stdout
    assert "KUBELAB_HOME" in done.stdout


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"1"])
def test_a_damaged_file_of_ours_is_told_with_what_makes_it_again(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(LabError, match=r"a.json is damaged") as refused:
        read_json(tmp_path / "a.json", "Run it again.")
    assert refused.value.hint == "Run it again."
