"""Downloads, from a server on the loopback that misbehaves as mirrors do."""

import hashlib
import io
import tarfile
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import tenacity

from provisioner.artifacts import download
from provisioner.artifacts.download import DownloadRoute, fetch, refuse_unknown, take
from provisioner.artifacts.offer import workshop_of
from provisioner.artifacts.reachability import Reachability
from provisioner.artifacts.steps import box_step
from provisioner.catalog.model import Download
from provisioner.errors import LabError, SpecError
from provisioner.spec import Artifacts

DATA = b"\x7fELF" + bytes(range(256)) * 800
SUM = hashlib.sha256(DATA).hexdigest()


class Mirror(BaseHTTPRequestHandler):
    """What is served by path; ``asked`` keeps each path with the Range that was wanted."""

    asked: ClassVar[list] = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if self.path == "/login":
            self._send(200, b"<!DOCTYPE html><title>Log in</title>", kind="text/html")
        elif self.path == "/page-as-file":
            self._send(200, b"\n<html>moved</html>", kind="application/octet-stream")
        elif self.path == "/busy" and self._times() < 3:
            self._send(503, b"later")
        elif self.path == "/drops" and self._times() == 1:
            self._send(200, DATA, cut=len(DATA) // 2)
        elif self.path.startswith("/sums/"):
            self._send(200, f"{self.path[6:].upper()}  file.box\n".encode(), kind="text/plain")
        elif self.path == "/gone":
            self._send(404, b"no")
        elif self.path.startswith("/dir/release.tgz"):
            self._send(200, packed())
        elif wanted and self.path != "/no-ranges":
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(DATA):
                self._send(416, b"")
            else:
                self._send(206, DATA[begin:])
        else:
            self._send(200, DATA)

    def _times(self):
        return sum(path == self.path for path, _ in self.asked)

    def _send(self, code, body, kind="application/octet-stream", cut=None):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def log_message(self, *_):
        pass


# gzip writes the time into it.
@cache
def packed():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("cri-dockerd/cri-dockerd")
        info.size, info.mode = len(DATA), 0o755
        tar.addfile(info, io.BytesIO(DATA))
    return buffer.getvalue()


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setattr(download._receive.retry, "wait", tenacity.wait_none())
    Mirror.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url, folder, route=DownloadRoute(), wanted=SUM):  # noqa: B008
    return fetch(Download(url=url, sha256=wanted), route, folder, lambda *_: None)


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (f"/sums/{SUM}", "has the one that came: the catalogue, or the spec, is wrong"),
        (f"/sums/{'0' * 64}", "has the one that was expected: what came is not the publisher's"),
        (f"/sums/{'1' * 64}", "has neither of the two"),
        ("/gone", "could not be read: HTTP Error 404"),
    ],
)
def test_the_publishers_list_is_asked_about_another_sum(mirror, tmp_path, sums, said):
    file = Download(url=f"{mirror}/file", sha256="0" * 64, sums=mirror + sums)
    with pytest.raises(LabError) as caught:
        fetch(file, DownloadRoute(), tmp_path, lambda *_: None)
    assert f"list, {mirror}{sums}, {said}" in caught.value.details


def test_the_list_comes_from_a_mirror_too(mirror, tmp_path):
    origin = "https://nowhere.invalid"
    route = DownloadRoute({origin: mirror})
    file = Download(url=f"{origin}/file", sha256="0" * 64, sums=f"{origin}/sums/{SUM}")
    with pytest.raises(LabError, match="has the one that came"):
        fetch(file, route, tmp_path, lambda *_: None)


def test_a_file_comes_whole(mirror, tmp_path):
    assert get(f"{mirror}/file", tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("path", ["/drops", "/busy"])
def test_what_is_broken_off_is_tried_again(mirror, tmp_path, path):
    assert get(mirror + path, tmp_path).read_bytes() == DATA


def test_a_dropped_download_goes_on_where_it_was(mirror, tmp_path):
    get(f"{mirror}/drops", tmp_path)
    assert Mirror.asked == [("/drops", None), ("/drops", f"bytes={len(DATA) // 2}-")]


@pytest.mark.parametrize("path", ["/file", "/no-ranges"])
@pytest.mark.parametrize("size", [1, 1000, len(DATA)])
def test_what_an_earlier_run_left_is_used_or_replaced(mirror, tmp_path, path, size):
    (tmp_path / f"{SUM}.part").write_bytes(DATA[:size])
    assert get(mirror + path, tmp_path).read_bytes() == DATA


def test_a_wrong_sum_is_refused_and_the_file_thrown_away(mirror, tmp_path):
    with pytest.raises(LabError, match=SUM) as refused:
        get(f"{mirror}/file", tmp_path, wanted="0" * 64)
    assert f"{mirror}/file" in refused.value.brief
    assert list(tmp_path.iterdir()) == []
    assert len(Mirror.asked) == 1


@pytest.mark.parametrize("path", ["/login", "/page-as-file"])
def test_a_web_page_is_no_file(mirror, tmp_path, path):
    with pytest.raises(LabError, match="a web page came instead"):
        get(mirror + path, tmp_path)


def test_a_file_that_is_not_there_is_asked_for_once(mirror, tmp_path):
    with pytest.raises(LabError, match="404"):
        get(f"{mirror}/gone", tmp_path)
    assert len(Mirror.asked) == 1


def test_a_mirror_is_asked_first_and_the_publisher_where_it_lacks_the_file(mirror, tmp_path):
    route = DownloadRoute({"http://127.0.0.1:1": f"{mirror}"})
    assert get("http://127.0.0.1:1/file", tmp_path, route).read_bytes() == DATA
    assert list(DownloadRoute({mirror: f"{mirror}/gone"}).urls(f"{mirror}/x")) == [
        f"{mirror}/gone/x",
        f"{mirror}/x",
    ]


def test_the_proxy_of_the_spec_is_asked(mirror, tmp_path):
    get("http://nowhere.invalid/file", tmp_path, DownloadRoute(proxy=mirror))
    assert Mirror.asked == [("http://nowhere.invalid/file", None)]


def test_an_archive_is_unpacked_into_a_folder_of_its_name(mirror, tmp_path):
    wanted = hashlib.sha256(packed()).hexdigest()
    file = Download(url=f"{mirror}/dir/release.tgz", sha256=wanted, unpack=True)
    into = tmp_path / "into"
    into.mkdir()
    take({"release": file}, DownloadRoute(), tmp_path / "downloads", into, lambda *_: None)
    program = into / "release/cri-dockerd/cri-dockerd"
    assert program.read_bytes() == DATA
    assert program.stat().st_mode & 0o111
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_file_without_a_sum_is_refused_with_the_key_to_give():
    file = Download(url="https://example.org/box", sums="https://example.org/sums")
    with pytest.raises(SpecError, match=r"artifacts_boxes\.x\.file\.sha256") as refused:
        refuse_unknown("artifacts_boxes.x.file", file)
    assert "https://example.org/sums" in refused.value.details


def reach(route=DownloadRoute()):  # noqa: B008
    return Reachability("bookworm", None, cached=True, route=route)


def test_publishers_that_serve_answer_and_others_are_named(mirror):
    assert reach().publishers([f"{mirror}/file"])[0]
    well, said, hint = reach().publishers([f"{mirror}/file", "http://127.0.0.1:9/box"])
    assert not well
    assert "http://127.0.0.1:9/box: " in said
    assert "artifacts.mirrors" in hint


def test_a_web_page_is_no_answer_of_a_publisher(mirror):
    assert "a web page came" in reach().publishers([f"{mirror}/login"])[1]


def test_a_mirror_answers_for_a_publisher(mirror):
    route = DownloadRoute(mirrors={"http://127.0.0.1:9": mirror})
    assert reach(route).publishers(["http://127.0.0.1:9/file"])[0]


@pytest.mark.parametrize(
    ("path", "why"), [("/file", "another SHA-256 than the catalogue"), ("/login", "a web page")]
)
def test_a_box_that_is_not_the_one_is_refused_and_not_kept(mirror, tmp_path, path, why):
    file = {"url": mirror + path, "sha256": "0" * 64}
    workshop = workshop_of(Artifacts(overrides={"artifacts_boxes": {"centos7": {"file": file}}}))
    step = box_step(workshop, "centos7", None)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(LabError, match=why) as refused:
        step.make(into, {}, lambda *_: None)
    assert mirror + path in str(refused.value)
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("name", ["../../../x", "/etc/x", "a/b", "..", ".", "", "x\n", ".hidden"])
def test_a_file_is_not_written_outside_its_folder(mirror, tmp_path, name):
    into = tmp_path / "a/b/c/into"
    into.mkdir(parents=True)
    files = {name: Download(url=f"{mirror}/file", sha256=SUM)}
    with pytest.raises(LabError, match="not a file name"):
        take(files, DownloadRoute(), tmp_path / "part", into, lambda *_: None)
    assert not list(into.iterdir())
    assert not (tmp_path / "a/x").exists()


def archive(kind, name, target=""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        (tarfile.REGTYPE, "../outside"),
        (tarfile.REGTYPE, "a/../../outside"),
        (tarfile.SYMTYPE, "link", "../../../../../../etc/passwd"),
        (tarfile.SYMTYPE, "link", "/etc/passwd"),
        (tarfile.LNKTYPE, "link", "../../outside"),
        (tarfile.CHRTYPE, "device"),
    ],
)
def test_a_member_of_an_archive_does_not_lead_out_of_it(tmp_path, monkeypatch, member):
    came = tmp_path / "came"
    came.write_bytes(archive(*member))
    monkeypatch.setattr(download, "fetch", lambda *_: came)
    into = tmp_path / "deep/into"
    into.mkdir(parents=True)
    files = {"release": Download(url="https://example.org/x.tgz", sha256=SUM, unpack=True)}
    with pytest.raises(LabError, match="leads out of its folder"):
        take(files, DownloadRoute(), tmp_path, into, lambda *_: None)
    assert not (tmp_path / "deep/outside").exists()
