"""The disk for docker of a new machine, cloned from a store that has the set's images in it.

The layers of images are the bulk of it. Machines share their files with each other and with the
cache, as copies of disks do; what docker writes, each machine has for itself.
"""

from pathlib import Path

from provisioner.providers.nspawn import disks


def clone(store: Path, into: Path) -> None:
    """Make ``into`` a copy of a store of docker's: whole, or not there at all.

    Raises:
        CommandError: the disk is full.
    """
    draft = into.with_name(f".{into.name}.new")
    disks.remove(draft)
    draft.parent.mkdir(parents=True, exist_ok=True)
    # No container was ever made in it.
    layers = [path for path in (store / disks.LAYERS).iterdir() if (path / "diff").is_dir()]
    disks.copy_docker(store, draft, layers)
    # As docker makes it.
    draft.chmod(0o710)
    draft.rename(into)
