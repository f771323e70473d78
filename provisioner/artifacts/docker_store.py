"""Docker's store with the images of a set in it, which new machine containers start from."""

from collections.abc import Sequence
from pathlib import Path

from provisioner.model import Tell
from provisioner.shell import TETHER, run

BAKE = Path(__file__).with_name("bake_store.sh")
# Parts of its key: a store that older ones made is made anew.
MAKERS = (Path(__file__), BAKE, Path(__file__).with_name("bake_images.sh"))
STORE = "docker"
# The images: their databases, and their layers. All else docker makes anew where it is missing,
# and some of it says which docker it is.
KEPT = ("image", "overlay2")
# The device that the store is on, where it was made.
DEVICE = "overlay2/backingFsBlockDev"


def make_store(root: Path, folder: Path, archives: Sequence[Path], into: Path, tell: Tell) -> None:
    """Make the store below ``into``, by the docker of a machine root, from archives of a set.

    Raises:
        CommandError: docker did not start, or does not take an archive.
    """
    tell("loading images into docker", None)
    store, scratch = into / STORE, into / "scratch"
    store.mkdir()
    script = ["bash", str(BAKE), str(root), str(scratch), str(store), str(folder)]
    run([*TETHER, *script, *map(str, archives)])
    unwanted = [path for path in store.iterdir() if path.name not in KEPT]
    for path in (scratch, store / DEVICE, *unwanted):
        run(["rm", "-rf", "--one-file-system", str(path)])
