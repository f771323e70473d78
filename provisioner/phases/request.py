"""The phase that refuses what a lab cannot take, before anything is changed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.artifacts.artifact_set import check_inputs, order_of
from provisioner.artifacts.offer import workshop_of
from provisioner.context import Context
from provisioner.errors import SpecError
from provisioner.phases.base import Done, Phase
from provisioner.spec import LabSpec, Weave

# As the role cni has it for those who run Ansible alone.
PASSWORD_LENGTH = 16
PASSWORD_LETTERS = 8
# What a lab that is there may get anew: by kubelab's own playbooks, without new machines.
CHANGEABLE = frozenset({"spec_version", "nodes", "dashboard", "addons"})


@dataclass
class CheckRequest(Phase):
    """See that the lab can take the spec, and that what the spec names on this host is right.

    With ``recreate`` a lab may also get another pod network.
    """

    recreate: bool = False
    key = "request"
    title = "Request"

    def run(self, context: Context) -> Done:
        """Compare the spec with the lab's own, and look at files, sums and passwords.

        Raises:
            SpecError: names the keys that differ, or key and file and what is wrong with it.
        """
        before = context.lab.load_spec() if context.lab.exists else None
        if before:
            _refuse_change(before, context.spec, recreate=self.recreate)
        # What was built from files of this host is kept, and they may be gone by now.
        if self.recreate or before is None or before.dashboard != context.spec.dashboard:
            _refuse_inputs(context)
        return Done("a new lab" if before is None else "the lab takes it")


def _words(options: dict[str, Any]) -> str:
    """The options of a pod network, as a person would write them."""
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _refuse_change(before: LabSpec, spec: LabSpec, *, recreate: bool) -> None:
    """A lab keeps the spec that it was made from, but for added workers and what runs in it.

    Raises:
        SpecError: names the keys that differ.
    """
    old, new = before.model_dump(), spec.model_dump()
    keys = [key for key in new if new[key] != old[key]]
    kept = new["nodes"][: len(old["nodes"])] == old["nodes"]
    open_to_change = {*CHANGEABLE, *({"cni", "artifacts"} if recreate else ())}
    if {"dashboard", "addons"} & set(keys) and cluster_stays(before, spec):
        # Another dashboard or addon may want images by path.
        open_to_change.add("artifacts")
    if set(keys) <= open_to_change and kept:
        return
    if set(keys) <= {"cni", "artifacts"} and "cni" in keys:
        raise SpecError(
            f"lab {spec.name} has another pod network: {_words(old['cni'])}",
            "Pods keep the addresses of the network that they were made in; another one cuts them"
            " off until each is started anew.",
            "Add --recreate-network to do so: the old network is removed on every node, every pod"
            " that has an address of it is started anew, and nothing answers meanwhile.",
        )
    raise SpecError(
        f"lab {spec.name} was made from another spec",
        f"These parts differ: {', '.join(keys)}. A lab that is there only takes more workers,"
        " another dashboard, and other addons.",
        f"Run `kubelab destroy --name {spec.name}` first, or give the new one another --name.",
    )


def cluster_stays(old: LabSpec, new: LabSpec) -> bool:
    """Whether what the cluster itself is made of is the same by both specs."""

    def parts(spec: LabSpec) -> tuple[object, ...]:
        catalog = workshop_of(spec.artifacts).catalog
        core = [choice for choice in new.choices if choice.kind not in ("dashboard", "addon")]
        components = catalog.resolve(core)
        builds = {name: catalog.builds[name] for name in catalog.builds_of(components)}
        return components, builds, spec.artifacts.model_dump(exclude={"overrides"})

    return parts(old) == parts(new)


def _password_fault(file: Path) -> tuple[str, str]:
    """Why a file is no place for a password or has a weak one, and what to do; empty if neither."""
    better = f"Use at least {PASSWORD_LENGTH} characters, {PASSWORD_LETTERS} of them different,"
    better += " or leave the key out for a password made at random."
    try:
        mode = file.stat().st_mode
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"It cannot be read: {error}", better
    if mode & 0o077:
        return "Others can read it.", f"Run `chmod 600 {file}`."
    if len(password) < PASSWORD_LENGTH or len(set(password)) < PASSWORD_LETTERS:
        return "The password in it is too weak to encrypt with.", better
    return "", ""


def _refuse_inputs(context: Context) -> None:
    """Refuse a file that is not what the spec says, a download without a sum, a weak password.

    Raises:
        SpecError: names key and file, and what is wrong with it.
    """
    cni = context.spec.cni
    if isinstance(cni, Weave) and cni.encryption and cni.password_file:
        why, hint = _password_fault(Path(cni.password_file))
        if why:
            raise SpecError(f"cni.password_file: {cni.password_file}", why, hint)
    workshop = context.workshop
    check_inputs(workshop, order_of(context.spec, workshop), cached_too=True)
