"""The disks for docker of a lab's machines, after all that was done with them: who shares what."""

import subprocess

import pytest

from provisioner.artifacts.store import Store
from provisioner.lab import cache


@pytest.mark.extended
@pytest.mark.lab("default", changes=False)
def test_no_machine_wrote_into_what_it_shares(lab):
    """docker, kubelet and pods have been at work; layers of snapshots are shared as baked ones."""
    store = Store(cache() / "built")
    baked = [entry for entry in store.entries() if entry.name.startswith("docker-store@")]
    assert baked
    for entry in baked:
        assert store.faults(entry, hash_all=True) == []
    disks = map(str, lab.dir.glob("machines/*/docker"))
    # Files of containers come and go meanwhile, of which find complains.
    look = ["find", *disks, "-type", "f", "-links", "+1"]
    shared = subprocess.run(look, capture_output=True, text=True, check=False).stdout.splitlines()
    assert shared, "nothing is shared: was every image loaded by each machine?"
    assert [path for path in shared if "/diff/" not in path] == []
