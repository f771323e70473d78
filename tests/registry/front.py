"""A server in front of the registry that answers as registries and proxies do on bad days."""

import base64
import http.server
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.registry.serve import PASSWORD, USER, Registry

TOKEN = "a-token"


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Front(http.server.BaseHTTPRequestHandler):
    """Forwards to the registry, but for what ``mode`` says; ``seen`` has every request."""

    protocol_version = "HTTP/1.1"
    registry: Registry
    mode = ""
    seen: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.seen.append(f"{self.command} {self.path}")
        if self.mode == "limit":
            self.answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', Retry_After="42")
        elif self.mode == "page":
            self.answer(200, b"<!DOCTYPE html><title>Log in</title>", Content_Type="text/html")
        elif self.mode == "token":
            self.token()
        else:
            self.forward()

    do_HEAD = do_GET  # noqa: N815

    def token(self) -> None:
        """As Docker Hub: a token from another address, for the login, for one repository."""
        host, given = self.headers["Host"], self.headers.get("Authorization", "")
        if self.path.startswith("/token"):
            good = given == _basic() and "scope=repository" in self.path
            self.answer(*((200, json.dumps({"token": TOKEN}).encode()) if good else (401, b"")))
        elif given == f"Bearer {TOKEN}":
            self.forward()
        else:
            realm = f'Bearer realm="https://{host}/token",service="test",scope="repository:x:pull"'
            self.answer(401, b"", WWW_Authenticate=realm)

    def forward(self) -> None:
        url = f"https://{self.registry.name}{self.path}"
        request = urllib.request.Request(url, method=self.command)
        request.add_header("Authorization", _basic())
        request.add_header("Accept", ", ".join(self.headers.get_all("Accept", ["*/*"])))
        context = ssl.create_default_context(cafile=self.registry.ca)
        try:
            with urllib.request.urlopen(request, context=context) as came:
                code, headers, body = came.status, came.headers, came.read()
        except urllib.error.HTTPError as error:
            code, headers, body = error.code, error.headers, error.read()
        self.send_response(code)
        for name in ("Content-Type", "Content-Length", "Docker-Content-Digest"):
            if headers.get(name):
                self.send_header(name, headers[name])
        self.end_headers()
        if self.mode == "half" and "/blobs/" in self.path:
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def served(
    handler: type[http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None = None
) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server on a free port of the loopback, until the block ends."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def in_front(
    registry: Registry, mode: str = "", *, tls: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """The server's host and port, and the requests that it gets."""
    seen: list[str] = []
    handler = type("H", (Front,), {"registry": registry, "mode": mode, "seen": seen})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
    if context:
        context.load_cert_chain(registry.ca, registry.folder / "tls.key")
    with served(handler, context) as server:
        yield f"127.0.0.1:{server.server_port}", seen


class Tunnel(http.server.BaseHTTPRequestHandler):
    """A proxy that leads to the registry, whatever host is asked for."""

    registry: Registry
    seen: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self.seen.append(self.path)
        with socket.create_connection(("127.0.0.1", self.registry.port)) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(far, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, far)
            back.join(timeout=5)
        self.close_connection = True


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(registry: Registry) -> Iterator[tuple[str, list[str]]]:
    """The URL of a proxy, and the hosts that it was asked for."""
    seen: list[str] = []
    handler = type("T", (Tunnel,), {"registry": registry, "seen": seen})
    with served(handler) as server:
        yield f"http://127.0.0.1:{server.server_port}", seen
