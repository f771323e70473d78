"""The disk for docker of a new machine, cloned from a store that has the set's images in it.

The layers of images are the bulk of it, and docker only reads them: an overlay copies a file up
before it is written. So machines share these files by hard links, with each other and with the
cache. All else docker writes: each machine has its own copy.
"""

import shutil
from pathlib import Path

from provisioner.shell import run

LAYERS = "overlay2"


def clone(store: Path, into: Path) -> None:
    """Make ``into`` a copy of a store of docker's: whole, or not there at all.

    Raises:
        CommandError: the disk is full.
    """
    draft = into.with_name(f".{into.name}.new")
    run(["rm", "-rf", "--one-file-system", str(draft)])
    draft.mkdir(parents=True)
    # As docker makes it.
    draft.chmod(0o710)
    for part in sorted(store.iterdir()):
        if part.name != LAYERS or not _link(part, draft / part.name):
            run(["cp", "-a", "--reflink=auto", str(part), str(draft)])
    draft.rename(into)


def _link(layers: Path, into: Path) -> bool:
    """Clone the layers by hard links; False where that cannot be, as between two file systems."""
    if run(["cp", "-a", "--link", str(layers), str(into)], check=False).code != 0:
        run(["rm", "-rf", "--one-file-system", str(into)])
        return False
    # What docker notes down beside the content of a layer.
    for note in (path for path in into.glob("*/*") if path.is_file() and not path.is_symlink()):
        own = note.with_name(f".{note.name}.new")
        shutil.copy2(note, own)
        own.replace(note)
    return True
