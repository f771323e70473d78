"""One archive about a lab, to send with a report of a fault: no secret is in it."""

import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from provisioner.checks.machines import STATIC_PODS, causes
from provisioner.checks.runtimes import services_of
from provisioner.context import Context, on_machines
from provisioner.errors import UsageError
from provisioner.lab import PROJECT
from provisioner.queries.plan import plan_of
from provisioner.queries.redaction import redact, secrets_of
from provisioner.queries.status import status_of
from provisioner.shell import run

Part = Callable[[], str]
RUNS = 5
LAST_BYTES = 2 * 2**20
SECONDS = 60
PACKAGES = ("kubelab", "ansible-core", "ansible-runner", "mitogen", "libvirt-python", "pydantic")
FILES = ("lab.yml", "inventory.yml", "choice.json", "artifacts.json", "vagrant.log", "Vagrantfile")
HOST: Mapping[str, Sequence[str]] = {
    "system": ("cat", "/etc/os-release"),
    "kernel": ("uname", "-a"),
    "memory": ("free", "-m"),
    "disks": ("df", "-hT"),
    "load": ("uptime",),
    "addresses": ("ip", "-brief", "address"),
    "routes": ("ip", "route"),
    "chains": ("nft", "list", "chains"),
    "limits": ("sysctl", "fs.inotify", "kernel.pid_max", "kernel.keys", "net.netfilter"),
    "commit": ("git", "-C", str(PROJECT), "describe", "--always", "--dirty"),
}
PROGRAMS = ("systemd-nspawn", "vagrant", "virsh", "qemu-system-x86_64", "skopeo", "nft")
# What a node is asked, each by its shell.
NODE: Mapping[str, str] = {
    "journal": "journalctl --no-pager -n 2000 -u kubelet -u docker -u cri-docker -u containerd",
    "units": "systemctl --no-pager --full status kubelet docker cri-docker containerd",
    "system": "cat /etc/os-release; uname -a; uptime; free -m; df -hT; df -i; swapon",
    "network": "ip address; ip route; cat /etc/resolv.conf /etc/hosts; iptables-save",
    "docker": "docker version; docker info; docker ps --all --no-trunc; docker image ls",
    "kubelet": "cat /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env",
    "control-plane": "cat /etc/kubeadm.yml /etc/kubernetes/manifests/*",
    "static-pods": "for pod in $(docker ps --all --quiet"
    " --filter label=io.kubernetes.pod.namespace=kube-system"
    " --filter label=io.kubernetes.docker.type=container | head -n 30); do"
    " docker inspect --format '== {{.Name}} {{.State.Status}} {{.State.ExitCode}}' $pod;"
    " docker logs --tail 200 $pod; done",
}
CLUSTER: Mapping[str, Sequence[str]] = {
    "nodes": ("get", "nodes", "-o", "wide"),
    "node-details": ("describe", "nodes"),
    "pods": ("get", "pods", "--all-namespaces", "-o", "wide"),
    "workloads": ("get", "deployments,daemonsets,statefulsets,services", "-A", "-o", "wide"),
    "events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
    "ready": ("get", "--raw", "/readyz?verbose"),
}


@dataclass(frozen=True)
class Bundle:
    """An archive: its members, and those that could not be had, with the reason."""

    path: Path
    members: tuple[str, ...]
    missing: Mapping[str, str]


def _last(path: Path) -> str:
    """The end of a file."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - LAST_BYTES, 0))
        return file.read().decode(errors="replace")


def _json(document: Any) -> str:
    return json.dumps(document, indent=1) + "\n"


def _versions() -> str:
    programs = {
        name: run([name, "--version"], check=False, timeout=SECONDS).stdout.partition("\n")[0]
        for name in PROGRAMS
        if any(Path(folder, name).exists() for folder in os.get_exec_path())
    }
    packages = {name: version(name) for name in PACKAGES}
    return _json({"python": platform.python_version(), **packages, **programs})


def _said(argv: Sequence[str]) -> str:
    answer = run(argv, check=False, timeout=SECONDS)
    return answer.stdout + answer.stderr


def _asked(context: Context, name: str, script: str) -> str:
    answer = on_machines(context)(name, ["sh", "-c", f"( {script} ) 2>&1"])
    return answer.stdout + answer.stderr


def _causes(context: Context, name: str) -> str:
    runtime, record = context.spec.runtime.name, context.lab.artifacts
    services = services_of(runtime, record.components if record else [])
    pods = STATIC_PODS if name == context.first_control_plane.name else ()
    found = causes(on_machines(context), name, runtime, services, pods)
    return "\n".join([*found, f"{len(found)} causes found", ""])


def _of_cluster(context: Context, words: Sequence[str]) -> str:
    return context.kubectl.call(*words, "--request-timeout=20s").stdout


def _parts(context: Context) -> Iterator[tuple[str, Part]]:
    """The members of an archive, and what makes each."""
    lab = context.lab
    yield "versions.json", _versions
    yield "status.json", lambda: _json(status_of(context))
    yield "plan.json", lambda: _json([vars(step) for step in plan_of(context)])
    yield "host/checks.json", lambda: _json([f.as_json() for f in context.provider.probe()])
    for what, argv in HOST.items():
        yield f"host/{what}.txt", partial(_said, argv)
    kept = [lab.dir / name for name in FILES]
    kept += [*sorted(lab.runs.glob("*.jsonl"))[-RUNS:], *sorted(lab.dir.glob("machines/*/*.log"))]
    for path in (path for path in kept if path.is_file()):
        yield f"lab/{path.relative_to(lab.dir)}", partial(_last, path)
    for what, words in CLUSTER.items():
        yield f"cluster/{what}.txt", partial(_of_cluster, context, words)
    for node in context.spec.nodes:
        for what, script in NODE.items():
            yield f"nodes/{node.name}/{what}.txt", partial(_asked, context, node.name, script)
        yield f"nodes/{node.name}/causes.txt", partial(_causes, context, node.name)


def _made(part: Part) -> tuple[str, str]:
    """The text of a member, and why it could not be had."""
    try:
        return part(), ""
    except Exception as error:
        # Also an error of kubelab itself: a report of a fault has to come out of any lab.
        return "", str(error) or repr(error)


def _pack(path: Path, name: str, texts: Mapping[str, str]) -> None:
    """Write the archive, readable by its owner alone.

    Raises:
        UsageError: the file is there already, or its folder is not.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        hint = "Name another file with --output."
        raise UsageError(f"{path} cannot be written", str(error), hint) from None
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member, text in texts.items():
            data = text.encode(errors="replace")
            info = tarfile.TarInfo(f"{name}/{member}")
            info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
            tar.addfile(info, io.BytesIO(data))


def bundle_of(context: Context, path: Path | None) -> Bundle:
    """Write the archive of a lab; what cannot be had is named in it, and stops nothing.

    Raises:
        UsageError: the archive cannot be written.
    """
    name = f"kubelab-{context.lab.name}-{time.strftime('%Y%m%dT%H%M%S')}"
    parts = dict(_parts(context))
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = dict(zip(parts, pool.map(_made, parts.values()), strict=True))
    secrets = set(secrets_of(context))
    texts = {member: redact(text, secrets) for member, (text, _) in answers.items() if text}
    missing = {member: redact(why, secrets) for member, (_, why) in answers.items() if why}
    if missing:
        texts["missing.json"] = _json(missing)
    place = path or Path.cwd() / f"{name}.tar.gz"
    _pack(place, name, texts)
    return Bundle(place, tuple(texts), missing)
