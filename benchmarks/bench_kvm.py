"""`kubelab up` on virtual machines, baked and plain box, against a plain Vagrantfile, in one run.

BENCH_ONLY=baked,plain,vagrant picks parts of it. BENCH_NODES=1 takes the control plane alone;
three emulated machines take some forty minutes.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml
from common import ENV, KUBELAB, LABS, PROJECT, SCRATCH, applied, save, summary, timed

from provisioner.providers.libvirt.kvm import probe_kvm

FILES = SCRATCH / "kvm-files"
# Of the plain Vagrantfile alone: kubelab's is dropped with its last lab.
POOL = Path("/var/lib/libvirt/bench-plain")
DRIVER = "kvm" if probe_kvm().verdict == "usable" else "qemu"
COUNT = int(os.environ.get("BENCH_NODES", "3"))
SECONDS = 4 * 3600


def kubelab(*words: str) -> tuple[float, dict]:
    """Run kubelab with --json."""
    seconds, text = timed(KUBELAB, *words, "--json", seconds=SECONDS)
    return seconds, json.loads(text)


def spec(name: str, *, baked: bool) -> Path:
    """A spec like profiles/debian12.yml with networks of its own, and without a dashboard."""
    data = yaml.safe_load((PROJECT / "profiles/debian12.yml").read_text())
    data |= {"name": name, "dashboard": "none"}
    data["networks"]["node"] = "10.74.0.0/24"
    data["nodes"] = data["nodes"][:COUNT]
    for node in data["nodes"]:
        node["address"] = node["address"].replace("10.76.", "10.74.")
    data["provider"] |= {"management": "192.168.174.0/24", "box": {"name": "debian12"}}
    data["provider"]["box"]["baked"] = baked
    SCRATCH.mkdir(exist_ok=True)
    path = SCRATCH / f"{name}.yml"
    path.write_text(yaml.safe_dump(data))
    return path


def run_kubelab(name: str, figures: dict, *, baked: bool) -> None:
    """One `up` from nothing with artifacts and box in the cache; phases, restore time, destroy."""
    path = spec(name, baked=baked)
    kubelab("artifacts", "build", "-f", str(path))
    try:
        _, answer = kubelab("up", "-f", str(path))
        phases = {phase["phase"]: phase["seconds"] for phase in answer["phases"]}
        figures[name] = {"seconds": sum(phases.values()), "phases": phases}
        print(f"{name}: {figures[name]['seconds']:.0f} s {phases}", flush=True)
        gather(name)
        if baked:
            figures["save"] = kubelab("snapshot", "save", "bench", "--name", name)[0]
            figures["restore"] = kubelab("snapshot", "restore", "bench", "--name", name)[0]
            print(f"save {figures['save']:.0f} s, restore {figures['restore']:.0f} s", flush=True)
    finally:
        subprocess.run([KUBELAB, "destroy", "--yes", "--name", name], env=ENV, check=False)


def gather(name: str) -> None:
    """What the plain Vagrantfile puts on its machines: the set, and what the lab was given."""
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir(parents=True)
    lab = LABS / name
    shutil.copytree((lab / "bin/kubectl").resolve().parents[1], FILES / "set")

    def read(path: str) -> str:
        return timed(KUBELAB, "ssh", "--name", name, "master", "--", "cat", path)[1]

    (FILES / "kubeadm.yml").write_text(read("/etc/kubeadm.yml").replace("10.74.0.", "10.75.0."))
    unit = read("/etc/systemd/system/kubelet.service").replace("10.74.0.10", "@ADDRESS@")
    (FILES / "kubelet.service").write_text(unit)
    (FILES / "applied.json").write_text(applied(name).replace("10.74.0.", "10.75.0."))


def virsh(*words: str) -> None:
    """Run virsh; the pool may be there already, from a run that was killed."""
    subprocess.run(["virsh", *words], check=False, capture_output=True)


def run_plain(figures: dict) -> None:
    """The hand-written Vagrantfile from the same box, until all nodes and cluster DNS are Ready."""
    folder = SCRATCH / "kvm-plain"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT / "benchmarks/kvm", folder)
    kubelab("artifacts", "build", "-f", str(spec("plain", baked=False)))
    cache = Path(os.environ.get("KUBELAB_CACHE") or Path.home() / ".cache/kubelab")
    box = max(cache.glob("built/box-debian12@*/package.box"), key=lambda path: path.stat().st_mtime)
    env = ENV | {
        "BOX_NAME": "bench/plain",
        "BOX_URL": box.as_uri(),
        "FILES": str(FILES),
        "DRIVER": DRIVER,
        "COUNT": str(COUNT),
        "VAGRANT_HOME": str(SCRATCH / "vagrant"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }
    pool = folder / "pool.xml"
    place = f"<target><path>{POOL}</path></target>"
    pool.write_text(f"<pool type='dir'><name>{POOL.name}</name>{place}</pool>")
    virsh("pool-define", str(pool))
    virsh("pool-build", POOL.name)
    virsh("pool-start", POOL.name)
    try:
        up = ("vagrant", "up", "--provider=libvirt", "--parallel")
        figures["vagrant"] = {"seconds": timed(*up, seconds=SECONDS, cwd=folder, env=env)[0]}
        print(f"plain Vagrantfile: {figures['vagrant']['seconds']:.0f} s", flush=True)
    finally:
        destroy = ["vagrant", "destroy", "-f"]
        subprocess.run(destroy, cwd=folder, env=env, check=False, stdin=subprocess.DEVNULL)
        virsh("pool-destroy", POOL.name)
        virsh("pool-undefine", POOL.name)
        shutil.rmtree(POOL, ignore_errors=True)


def main() -> None:
    """Run the parts that are asked for, and print the ratios."""
    parts = os.environ.get("BENCH_ONLY", "baked,plain,vagrant").split(",")
    figures: dict = {"driver": DRIVER, "nodes": COUNT}
    if "baked" in parts:
        run_kubelab("baked", figures, baked=True)
    if "plain" in parts:
        run_kubelab("plain", figures, baked=False)
    if "vagrant" in parts:
        run_plain(figures)
    seconds = {name: figures[name]["seconds"] for name in parts if name in figures}
    save("kvm", figures)
    if {"plain", "baked"} <= seconds.keys():
        print(summary("baked box / plain box", [seconds["baked"] / seconds["plain"]]))
    if {"plain", "vagrant"} <= seconds.keys():
        ratio = seconds["plain"] / seconds["vagrant"]
        print(summary(f"kubelab up / plain Vagrantfile, {COUNT} machines by {DRIVER}", [ratio]))


if __name__ == "__main__":
    main()
