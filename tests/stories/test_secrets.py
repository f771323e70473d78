"""No token, key or kubeconfig is seen where others look, while a worker leaves and comes back."""

import re
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.labs import SharedLab

pytestmark = [pytest.mark.lab("default"), pytest.mark.extended]

TOKEN = re.compile(rb"(?<![a-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9.])")
KEY = re.compile(rb"PRIVATE KEY-----")
LARGEST = 20 * 2**20
# Folders of a machine that hold what anybody may read, and those that hold its cluster's files.
OPEN = "/tmp /run /root /home /var/log /var/tmp /etc"
OWN = "/etc/kubernetes /var/lib/kubelet /home"


class Watch:
    """Looks at the arguments of every process, those in machines among them, all the time."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def _look(self) -> None:
        while not self._over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.seen.add(path.read_bytes())
            self.looks += 1
            time.sleep(0.02)


def fresh_files(lab: SharedLab, since: float) -> Iterator[tuple[Path, bytes]]:
    """Files that were written since then: of the lab, of Ansible, and temporary ones."""
    # Disks of machines are looked at from inside.
    own = [path for path in lab.dir.iterdir() if path.name not in ("machines", "snapshots")]
    consoles = [*lab.dir.glob("machines/*/console.log")]
    folders = [*own, *consoles, Path.home() / ".ansible", Path("/tmp"), Path("/var/tmp")]
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            with suppress(OSError):
                state = path.lstat()
                small = path.is_file() and not path.is_symlink() and state.st_size < LARGEST
                if small and state.st_mtime >= since:
                    yield path, path.read_bytes()


def tokens_of(lab: SharedLab) -> list[str]:
    listed = lab.ssh("master", "kubeadm token list -o jsonpath='{.token}{\"\\n\"}'")
    return [word for word in listed.split() if TOKEN.fullmatch(word.encode())]


def leave_and_come_back(lab: SharedLab) -> None:
    for verb in ("reset", "rejoin"):
        lab.run("node", verb, "worker1", "--name", lab.name)


def test_neither_arguments_nor_files_have_a_token_also_after_a_kill(lab):
    since = time.time() - 1
    with Watch() as watch:
        leave_and_come_back(lab)
        lab.run("node", "reset", "worker1", "--name", lab.name)
        words = ("node", "rejoin", "worker1", "--name", lab.name)
        lab.started_until("rejoin", *words).stop(signal.SIGKILL)
    assert watch.looks > 50
    left = tokens_of(lab)
    assert left, "the kill came too late to leave a token"
    assert [line for line in watch.seen if TOKEN.search(line)] == []
    files = list(fresh_files(lab, since))
    assert any(path.suffix == ".jsonl" for path, _ in files)
    for token in left:
        assert [str(path) for path, data in files if token.encode() in data] == []
        for node in lab.nodes:
            grep = f"grep -rslF {token} {OPEN} || true"
            assert lab.ssh(node, grep).strip() == "", node
    lab.run("node", "rejoin", "worker1", "--name", lab.name)
    assert tokens_of(lab) == []


def test_keys_are_for_their_owner_alone(lab):
    since = time.time() - 1
    leave_and_come_back(lab)
    users = yaml.safe_load((lab.dir / "kubeconfig").read_text())["users"]
    secret = users[0]["user"]["client-key-data"].encode()
    lab_files = [(p, p.read_bytes()) for p in lab.dir.glob("*") if p.is_file()]
    for path, data in [*lab_files, *fresh_files(lab, since)]:
        if secret in data or (KEY.search(data) and path.is_relative_to(lab.dir)):
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.is_relative_to(lab.dir), path
    for node in lab.nodes:
        asked = f"grep -rslE 'PRIVATE KEY-----|client-key-data:' {OWN} | xargs -r stat -Lc '%a %n'"
        lines = lab.ssh(node, asked).splitlines()
        assert lines
        assert [line for line in lines if not line.startswith("600 ")] == []


def test_a_report_has_no_secret_that_the_lab_was_filled_with(lab, tmp_path):
    marked = {"stringData": {"password": "grey-elephant-1", "plain": "purple-rhino-2"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "marked"}, **marked}
    manifest = tmp_path / "secret.yml"
    manifest.write_text(yaml.safe_dump(secret))
    lab.kubectl("apply", "-f", str(manifest))
    # Files of a node that are a part of the report.
    lab.ssh("master", "{ echo '# purple-rhino-2'; cat /etc/kubernetes/pki/ca.key; } >> /etc/hosts")
    lab.ssh("worker1", "echo '# kubeadm join --token abcdef.0123456789abcdef' >> /etc/hosts")
    archive = tmp_path / "report.tar.gz"
    lab.run("report", "--name", lab.name, "-o", str(archive))
    users = yaml.safe_load((lab.dir / "kubeconfig").read_text())["users"]
    known = [users[0]["user"]["client-key-data"], "grey-elephant-1", "purple-rhino-2"]
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}
    assert len(members) > 30
    for name, data in members.items():
        assert not TOKEN.search(data), name
        assert not KEY.search(data), name
        assert [word for word in known if word.encode() in data] == [], name
