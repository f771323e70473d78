"""The packages of CentOS 7, by the roles, from signed repositories: Debian's dnf installs them."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from provisioner.artifacts.manifest import describe
from provisioner.catalog.load import load_catalog
from tests.labs import PROJECT

pytestmark = pytest.mark.extended
CATALOGUE = load_catalog({})
RUNTIME = CATALOGUE.components["artifacts_runtime_docker"]
DOCKER = RUNTIME.packages["RedHat-7"]
WANTED = yaml.safe_load((PROJECT / "roles/node/vars/RedHat-7.yml").read_text())
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
FILES = {
    "chrony": {"usr/lib/systemd/system/chronyd.service": UNIT},
    "docker-ce": {"usr/lib/systemd/system/docker.service": UNIT},
    "docker-ce-cli": {"usr/bin/docker": "#!/bin/sh\necho systemd overlay2\n"},
}
# The one that is in a repository of its own.
EXTRA = "container-selinux"
# As in the packages of its publisher: their versions are compared with an epoch before them.
EPOCHS = {"docker-ce": 3, "docker-ce-cli": 1}


def run(*argv, **more):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Packager:
    """Builds packages, signs them by keys of its own, and makes repositories of them."""

    def __init__(self, folder):
        self.folder = folder
        self.web = folder / "web"
        self.web.mkdir()
        # The path of an agent's socket must be short.
        self.keys = Path(tempfile.mkdtemp(prefix="kubelab-gpg-"))
        self.env = {**os.environ, "GNUPGHOME": str(self.keys)}
        for name in ("right", "wrong"):
            words = ("--quick-generate-key", name, "rsa2048", "sign", "never")
            run("gpg", "--batch", "--quiet", "--passphrase", "", *words, env=self.env)
        key = run("gpg", "--armor", "--export", "right", env=self.env)
        (self.web / "key").write_text(key)

    def close(self):
        run("gpgconf", "--kill", "gpg-agent", env=self.env)
        shutil.rmtree(self.keys)

    def describe(self, name, version="1.0", release="1.el7", requires=()):
        """Write what a package is, for ``build``."""
        tree = self.folder / "trees" / name
        for path, text in FILES.get(name, {}).items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if "/bin/" in path else 0o644)
        lines = [
            *(f"Name: {name}", f"Version: {version}", f"Release: {release}"),
            *(f"Epoch: {EPOCHS.get(name, 0)}", "Summary: of a test", "License: none"),
            *("BuildArch: noarch", "AutoReqProv: no", *(f"Requires: {r}" for r in requires)),
            *("%description", "%install", "mkdir -p %{buildroot}"),
            *([f"cp -r {tree}/. %{{buildroot}}"] if tree.exists() else []),
            *("%files", *(f"/{path}" for path in FILES.get(name, {}))),
        ]
        spec = self.folder / f"{name}-{version}-{release}.noarch.spec"
        spec.write_text("\n".join(lines) + "\n")
        return spec

    def build(self, *specs):
        """Build packages; the files that come out."""
        top = self.folder / "rpmbuild"
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", *specs)
        return [top / f"RPMS/noarch/{spec.stem}.rpm" for spec in specs]

    def sign(self, *files, key="right"):
        defined = ("--define", f"_gpg_name {key}", "--define", "__gpg /usr/bin/gpg")
        run("rpmsign", *defined, "--addsign", *files, env=self.env)

    def publish(self, repository, *files):
        """Make a repository of the files, anew."""
        folder = self.web / repository
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder)
        run("createrepo_c", "--quiet", folder)


class Mirror(SimpleHTTPRequestHandler):
    """Serves the repositories, and a web page for all that is asked of ``/moved``."""

    def do_GET(self):
        if not self.path.startswith("/moved/"):
            super().do_GET()
            return
        page = b"<!DOCTYPE html><html><title>This mirror has moved</title></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def packager(tmp_path_factory):
    """All that the roles ask for, signed: docker at its version, and a later one beside it."""
    found = Packager(tmp_path_factory.mktemp("rpm"))
    needs = {"docker-ce": ["docker-ce-cli", "containerd.io", "container-selinux"]}
    files = found.build(
        *map(found.describe, WANTED["node_family_packages"]),
        *(
            found.describe(name, *version.split("-", 1), needs.get(name, ()))
            for name, version in DOCKER.items()
        ),
        found.describe("docker-ce", "27.0.1"),
    )
    found.sign(*files)
    extras = [f for f in files if f.name.startswith(EXTRA)]
    docker = [f for f in files if f.name.startswith(tuple(DOCKER))]
    found.publish("base", *(set(files) - {*extras, *docker}))
    found.publish("updates")
    found.publish("extras", *extras)
    found.publish("docker-ce-stable", *docker)
    yield found
    found.close()


@pytest.fixture(scope="module")
def mirror(packager):
    def handler(*words):
        return Mirror(*words, directory=str(packager.web))

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def node(mirror, inside, play, tmp_path):
    """A node that has none of the packages yet: installs them, and says what is installed."""

    def install(code=0, **elsewhere):
        found = describe(CATALOGUE, RUNTIME)
        for name, given in found["repositories"]["RedHat-7"].items():
            given |= {"key": f"{mirror}/key", "url": f"{mirror}/{elsewhere.get(name, name)}"}
        manifest = json.dumps({"schema": 1, "components": [found]})
        (tmp_path / "manifest.json").write_text(manifest)
        return play("el7.yml", {"artifacts_dir": str(tmp_path)}, code)

    def installed():
        names = inside("rpm", "-qa", "--queryformat", r"%{NAME} %{VERSION}-%{RELEASE}\n")
        return {x.split()[0]: x.split()[1] for x in names.splitlines() if "gpg-pubkey" not in x}

    install.installed = installed
    return install


def test_all_packages_come_at_their_versions_and_a_second_run_changes_nothing(node):
    assert re.search(r"node .* changed=[1-9]", node())
    found = node.installed()
    assert set(found) == {*WANTED["node_family_packages"], *DOCKER}
    assert {name: found[name] for name in DOCKER} == DOCKER
    assert re.search(r"node .* changed=0 ", node())


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_package_that_is_not_signed_by_the_key_is_refused_by_name(node, packager, key):
    files = packager.build(packager.describe(EXTRA))
    if key:
        packager.sign(*files, key=key)
    packager.publish(f"extras{key}-bad", *files)
    said = node(code=2, extras=f"extras{key}-bad")
    assert f"signature for {EXTRA}" in said
    assert node.installed() == {}


def test_a_mirror_that_answers_with_a_web_page_is_refused(node):
    said = node(code=2, updates="moved/updates")
    assert "'updates'" in said
    assert "repomd.xml" in said
    assert node.installed() == {}
