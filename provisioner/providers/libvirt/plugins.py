"""Where vagrant finds its plugin for libvirt: the system's, or the one that the user installed.

A package of the distribution serves every VAGRANT_HOME. `vagrant plugin install` puts a plugin into
the user's own, and kubelab's boxes have another, so kubelab's gets links to what is in the user's.
"""

import json
import os
from pathlib import Path

from provisioner.host_questions import HASHICORPS_VAGRANT

PLUGIN = "vagrant-libvirt"


def users_home() -> Path:
    """The VAGRANT_HOME of this user."""
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")


def _has_plugin(home: Path) -> bool:
    try:
        installed = json.loads((home / "plugins.json").read_text(encoding="utf-8"))["installed"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return PLUGIN in installed


def home_to_ask(own: Path) -> Path:
    """The VAGRANT_HOME that has the plugins which ``own`` has, or will have by ``take_plugins``."""
    return users_home() if _has_plugin(users_home()) else own


def take_plugins(own: Path) -> None:
    """Link the user's plugins into ``own``, unless it has the plugin itself.

    Links to a plugin that the user removed are removed.
    """
    theirs = users_home()
    links = {own / "plugins.json": theirs / "plugins.json"}
    # A folder for each version of Ruby.
    links |= {own / "gems" / ruby.name: ruby for ruby in theirs.glob("gems/*")}
    for place in (own / "plugins.json", *own.glob("gems/*")):
        if place.is_symlink():
            place.unlink()
    if not _has_plugin(theirs) or _has_plugin(own):
        return
    # One of kubelab's own names no plugin for libvirt.
    (own / "plugins.json").unlink(missing_ok=True)
    for place, target in links.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(target)


def missing_hint() -> str:
    """What to type where vagrant has no plugin for libvirt."""
    if HASHICORPS_VAGRANT.is_dir():
        return (
            f"This vagrant is HashiCorp's: run `vagrant plugin install {PLUGIN}` as the user who"
            f" runs kubelab (plugins are in {users_home()})."
        )
    return f"Install {PLUGIN} from your distribution."
