"""The user's logins at image registries, from the files that podman, skopeo and docker keep."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.artifacts.image_names import HUB, HUB_ALIASES
from provisioner.errors import LabError
from provisioner.shell import run


@dataclass(frozen=True)
class Login:
    """One login; ``file`` is the file that has it, for skopeo."""

    file: Path
    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of the header ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_files() -> list[Path]:
    """The files with logins, in the order in which skopeo reads them."""
    if chosen := os.environ.get("REGISTRY_AUTH_FILE"):
        return [Path(chosen)]
    session = os.environ.get("XDG_RUNTIME_DIR")
    runtime = f"{session}/containers" if session else f"/run/containers/{os.getuid()}"
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    docker = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    return [
        Path(runtime) / "auth.json",
        Path(config) / "containers/auth.json",
        Path(docker) / "config.json",
    ]


def _keys(host: str, repository: str) -> Iterator[str]:
    """The keys under which a login for an image may be, the most special first."""
    parts = repository.split("/")
    for end in range(len(parts), 0, -1):
        yield "/".join((host, *parts[:end]))
    yield host
    if host in (HUB, *HUB_ALIASES):
        yield from (HUB, *HUB_ALIASES)


def _plain(key: str) -> str:
    """A key without scheme, and without the path that docker writes for its own registry."""
    key = key.removeprefix("https://").removeprefix("http://")
    return key.removesuffix("/").removesuffix("/v1").removesuffix("/v2")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        hint = "Log in again (`skopeo login REGISTRY`), or remove the file."
        raise LabError(f"{file}: not a file of logins", str(error), hint) from None
    return found if isinstance(found, dict) else {}


def _from_helper(helper: str, key: str) -> tuple[str, str]:
    answer = run([f"docker-credential-{helper}", "get"], stdin=key, check=False, timeout=30)
    if answer.code != 0:
        return "", ""
    found = json.loads(answer.stdout)
    return found["Username"], found["Secret"]


def find_login(host: str, repository: str) -> Login | None:
    """The user's login for a repository at ``host``, or None.

    Raises:
        LabError: a file with logins cannot be read.
    """
    for file in login_files():
        data = _read(file)
        auths = {_plain(key): value for key, value in data.get("auths", {}).items()}
        helpers = {_plain(key): name for key, name in data.get("credHelpers", {}).items()}
        for key in _keys(host, repository):
            if helper := helpers.get(key) or (key in auths and data.get("credsStore")):
                user, password = _from_helper(helper, key)
            else:
                kept = auths.get(key, {}).get("auth", "")
                user, _, password = base64.b64decode(kept).decode().partition(":")
            if user:
                return Login(file, user, password)
    return None
