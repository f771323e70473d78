"""A real image registry on the loopback, with TLS and a password, and tiny images in it."""

import base64
import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

from provisioner.artifacts.images import write_image
from provisioner.artifacts.registry import ACCEPT
from provisioner.catalog.model import Image

USER, PASSWORD = "reader", "not-a-secret"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@dataclass
class Registry:
    """A registry that runs; ``name`` is its host and port."""

    folder: Path
    port: int
    process: subprocess.Popen

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def logins(self) -> Path:
        return self.folder / "auth.json"

    def send(self, method: str, path: str, data: bytes | None = None, kind: str = "") -> dict:
        """One request as a registry client would send it; returns the headers of the answer."""
        request = urllib.request.Request(f"https://{self.name}/v2/{path}", data, method=method)
        word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
        request.add_header("Accept", ACCEPT)
        if kind:
            request.add_header("Content-Type", kind)
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(request, context=context) as answer:
            return {**answer.headers, "body": answer.read()}

    def push(self, repository: str, tag: str, content: str = "", arch: str = "amd64") -> str:
        """Make a tiny image and push it; returns the digest of its manifest."""
        hello, archive = self.folder / "hello", self.folder / "image.tar"
        hello.write_text(content or f"{repository}:{tag} {arch}")
        write_image(f"{repository}:{tag}", Image(tag=tag), [], {"hello": hello}, archive)
        return self.push_archive(archive, f"docker.io/{repository}:{tag}", architecture=arch)

    def push_archive(self, archive: Path, reference: str, **changed: str) -> str:
        """Push the image of an archive under the repository of its name; the digest.

        ``changed`` are other values of its configuration.
        """
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        folder = self.folder / "layout"
        shutil.rmtree(folder, ignore_errors=True)
        layout, there = f"oci:{folder}:x", f"docker://{self.name}/{repository}:{tag}"
        subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{archive}", layout], check=True)
        if changed:
            change_config(folder, changed)
        known = ["--dest-authfile", self.logins, "--dest-cert-dir", self.folder / "ca"]
        subprocess.run(["skopeo", "copy", "-q", *known, layout, there], check=True)
        return self.send("HEAD", f"{repository}/manifests/{tag}")["Docker-Content-Digest"]

    def push_index(self, repository: str, tag: str, arches: list[str]) -> str:
        """Push one image for each architecture, and an index with an attestation; its digest."""
        entries = []
        for arch in (*arches, "unknown"):
            digest = self.push(repository, f"{tag}-{arch}", arch=arch)
            size = len(self.send("GET", f"{repository}/manifests/{digest}")["body"])
            system = "unknown" if arch == "unknown" else "linux"
            platform = {"architecture": arch, "os": system}
            entries.append(
                {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}
            )
        # The attestation comes first, as nobody says that it cannot.
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[::-1]}
        path = f"{repository}/manifests/{tag}"
        return self.send("PUT", path, json.dumps(index).encode(), INDEX)["Docker-Content-Digest"]


def change_config(layout: Path, changed: dict[str, str]) -> None:
    """Change the configuration of the only image in an OCI layout."""
    blobs = layout / "blobs/sha256"

    def blob(descriptor: dict) -> dict:
        return json.loads((blobs / descriptor["digest"].partition(":")[2]).read_text())

    def keep(descriptor: dict, data: dict) -> None:
        text = json.dumps(data)
        name = hashlib.sha256(text.encode()).hexdigest()
        (blobs / name).write_text(text)
        descriptor |= {"digest": f"sha256:{name}", "size": len(text)}

    index = json.loads((layout / "index.json").read_text())
    manifest = blob(index["manifests"][0])
    keep(manifest["config"], blob(manifest["config"]) | changed)
    keep(index["manifests"][0], manifest)
    (layout / "index.json").write_text(json.dumps(index))


def _certify(folder: Path) -> None:
    """Make a certificate for the loopback that is its own authority."""
    crt, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-keyout", key, "-out", crt, "-subj", "/CN=test registry"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:registry.invalid"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "ca").mkdir()
    shutil.copy(crt, folder / "ca/ca.crt")


def _configure(folder: Path, port: int) -> Path:
    """Write the registry's configuration and its one user; returns the file."""
    users = folder / "htpasswd"
    words = ["htpasswd", "-nbB", USER, PASSWORD]
    users.write_text(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    tls = {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": tls},
        "auth": {"htpasswd": {"realm": "test", "path": str(users)}},
    }
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def serve(folder: Path) -> Registry:
    """Start a registry that keeps all its files in ``folder``."""
    port = free_port()
    _certify(folder)
    config = _configure(folder, port)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    found = Registry(folder, port, process)
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    found.logins.write_text(json.dumps({"auths": {found.name: {"auth": word}}}))
    for _ in range(100):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return found
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"docker-registry does not serve: {(folder / 'log').read_text()}")
