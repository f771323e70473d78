"""The phase that refuses invalid requests before anything is changed."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.artifacts.artifact_set import check_inputs, order_of
from provisioner.artifacts.offer import workshop_of
from provisioner.context import Context
from provisioner.errors import SpecError
from provisioner.phases.base import Done, Phase
from provisioner.spec import LabSpec, Weave

# The same limits as in the role cni, which checks them for users of Ansible alone.
PASSWORD_LENGTH = 16
PASSWORD_LETTERS = 8
PASSWORD_MOST = 1024
# Sources whose builds are whole images.
WHOLE_IMAGES = ("file", "oci")
# Keys of the spec that can change in an existing lab without new machines.
CHANGEABLE = frozenset({"spec_version", "nodes", "dashboard", "addons"})
# The same of its provider: rules of this host, which each `up` makes.
CHANGEABLE_OF_PROVIDER = frozenset({"expose"})


@dataclass
class CheckRequest(Phase):
    """Check that the lab can change to the spec, and check the files that the spec names.

    With ``recreate`` the pod network may change as well.
    """

    recreate: bool = False
    key = "request"
    title = "Request"

    def run(self, context: Context) -> Done:
        """Compare the spec with the lab's own, and check files, checksums and passwords.

        Raises:
            SpecError: the lab cannot change to the spec, or an input is wrong; names the key.
        """
        before = context.lab.load_spec() if context.lab.exists else None
        if before is None:
            _refuse_inputs(context)
            return Done("a new lab")
        _refuse_change(before, context.spec, recreate=self.recreate)
        # An unchanged lab needs no inputs: its builds are in the cache, and files may be gone.
        named = (before.dashboard, before.artifacts) != (
            context.spec.dashboard,
            context.spec.artifacts,
        )
        if self.recreate or named:
            _refuse_inputs(context)
        return Done("the lab can take it")


def _words(options: dict[str, Any]) -> str:
    """The options of a pod network in readable form."""
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _changed_nodes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """What differs in the nodes that a lab has. Their order, and new nodes, do not matter."""
    wanted = {node["name"]: node for node in new}
    found = []
    for node in old:
        name, now = node["name"], wanted.get(node["name"], {})
        if not now:
            found.append(f"nodes: {name} is left out")
        changed = [key for key, value in now.items() if value != node[key]]
        found += [f"nodes: {name}.{key} was {node[key]}" for key in changed]
    return found


def _fixed(provider: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in provider.items() if k not in CHANGEABLE_OF_PROVIDER}


def _refuse_change(before: LabSpec, spec: LabSpec, *, recreate: bool) -> None:
    """Refuse changes of a lab's spec but of workers, dashboard, addons and exposed ports.

    Raises:
        SpecError: names the keys that differ.
    """
    old, new = before.model_dump(), spec.model_dump()
    keys = [key for key in new if new[key] != old[key]]
    nodes = _changed_nodes(old["nodes"], new["nodes"])
    open_to_change = {*CHANGEABLE, *({"cni", "artifacts"} if recreate else ())}
    if _fixed(old["provider"]) == _fixed(new["provider"]):
        open_to_change.add("provider")
    if "artifacts" in keys and cluster_stays(before, spec):
        # Another dashboard or addon may want images by path, and an image may be built anew.
        open_to_change.add("artifacts")
    if set(keys) <= open_to_change and not nodes:
        return
    if set(keys) <= {"cni", "artifacts"} and "cni" in keys:
        raise SpecError(
            f"lab {spec.name} has another pod network: {_words(old['cni'])}",
            "Pods keep their addresses of the old network, so another network cuts them off until"
            " each is restarted.",
            "Add --recreate-network to do so: it removes the old network on every node and"
            " restarts every pod that has an address of it. No pod answers meanwhile.",
        )
    parts = [key for key in keys if key not in open_to_change] + nodes
    raise SpecError(
        f"lab {spec.name} was made from another spec",
        f"These parts differ: {', '.join(parts)}."
        " An existing lab only takes more workers, another dashboard, other addons, and other"
        " ports in provider.expose.",
        f"Run `kubelab destroy --name {spec.name}` first, or give the new lab another --name.",
    )


def cluster_stays(old: LabSpec, new: LabSpec) -> bool:
    """Whether both specs have the same components, except dashboard and addons, and builds.

    A build that is a whole image may differ: it is another image of the same name and tag.
    """

    def parts(spec: LabSpec) -> tuple[object, ...]:
        catalog = workshop_of(spec.artifacts.model_copy(update={"mirrors": {}})).catalog
        core = [choice for choice in new.choices if choice.kind not in ("dashboard", "addon")]
        components = catalog.resolve(core)
        builds = {
            name: catalog.builds[name]
            for name in catalog.builds_of(components)
            if catalog.builds[name].source not in WHOLE_IMAGES
        }
        start = catalog.boxes.get(spec.provider.box.name) if spec.provider.box else None
        # Where downloads come from does not matter, but for what is written on nodes.
        sources = spec.artifacts.model_dump(exclude={"overrides", "mirrors", "ca_file"})
        sources["registry_mirror"] = sources["registry_mirror"].get("docker.io")
        return components, builds, sources, catalog.layers, start or catalog.machine_root

    return parts(old) == parts(new)


def _password_fault(file: Path) -> tuple[str, str]:
    """The fault of a password file, and a hint; both are empty if there is none."""
    better = f"Use at least {PASSWORD_LENGTH} characters, {PASSWORD_LETTERS} of them different,"
    better += " or leave the key out for a random password."
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            return "It is not a file.", better
        with file.open(encoding="utf-8") as content:
            password = content.read(PASSWORD_MOST + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"It cannot be read: {error}", better
    if len(password) > PASSWORD_MOST:
        return f"It has more than {PASSWORD_MOST} characters.", better
    if mode & 0o077:
        return "Others can read it.", f"Run `chmod 600 {file}`."
    if len(password) < PASSWORD_LENGTH or len(set(password)) < PASSWORD_LETTERS:
        return "The password in it is too weak.", better
    return "", ""


def _refuse_template(addon: str, template: Path, context: Context) -> None:
    """Refuse a template that is not there, or that a spec or a machine could have brought.

    A template is a program: Ansible runs on this host what it says.

    Raises:
        SpecError: names the addon and the file.
    """
    if not template.is_absolute():
        return
    where = f"addon {addon}: settings.template {template}"
    if not template.is_file():
        raise SpecError(where, "There is no such file.", "Name a file of this host.")
    for folder in (context.workshop.cache, context.lab.dir.parent):
        if template.resolve().is_relative_to(folder.resolve()):
            why = (
                f"Downloads and machines write to {folder}, and Ansible runs what a template says."
            )
            raise SpecError(where, why, "Read it, and copy it to a folder of yours.")


def _refuse_inputs(context: Context) -> None:
    """Refuse a wrong file, a download without a checksum, and a weak password.

    Raises:
        SpecError: an input is wrong; names its key and file.
    """
    cni = context.spec.cni
    if isinstance(cni, Weave) and cni.encryption and cni.password_file:
        why, hint = _password_fault(Path(cni.password_file))
        if why:
            raise SpecError(f"cni.password_file: {cni.password_file}", why, hint)
    workshop = context.workshop
    order = order_of(context.spec, workshop)
    for addon in (c for c in order.components if c.kind == "addon"):
        _refuse_template(addon.name, Path(addon.settings["template"]), context)
    check_inputs(workshop, order, cached_too=True)
