"""The labs of this folder, and those that this host shows of other folders, or of none."""

from pathlib import Path
from typing import Any

from provisioner.context import make_context
from provisioner.errors import LabError, UsageError
from provisioner.lab import Lab, all_labs
from provisioner.model import HostLab, Machine
from provisioner.providers.naming import label_of
from provisioner.providers.registry import labs_on_host


def labs_here() -> list[dict[str, Any]]:
    """A row for each lab of this folder."""
    return [_row_of(lab) for lab in all_labs()]


def labs_elsewhere() -> list[dict[str, Any]]:
    """A row for each other lab on this host. A lost one has no folder any more."""
    own = {label_of(lab.name, lab.dir) for lab in all_labs()}
    return [_row_of_host(lab) for lab in labs_on_host() if lab.label not in own]


def lost_lab(name: str) -> HostLab:
    """The lab of that name or label on this host whose folder is gone.

    Raises:
        UsageError: there is none, or several, or the lab's folder is there: names it.
    """
    found = [lab for lab in labs_on_host() if name in (lab.name, lab.label)]
    lost = [lab for lab in found if _is_lost(lab)]
    if len(lost) == 1:
        return lost[0]
    if lost:
        labels = ", ".join(lab.label for lab in lost)
        raise UsageError(
            f"several lost labs are named {name!r}", f"Labels: {labels}", "Name one by its label."
        )
    for lab in found:
        raise UsageError(
            f"lab {lab.name} is one of another folder",
            f"Its files are in {lab.folder}.",
            f"Type `KUBELAB_HOME={lab.folder.parent if lab.folder else ''} kubelab destroy --name"
            f" {lab.name}`.",
        )
    hint = "`kubelab list --all` shows all labs of this host."
    raise UsageError(f"no lab named {name!r}", "", hint)


def _is_lost(lab: HostLab) -> bool:
    """Whether no folder has the lab: it is gone, or now another lab's."""
    if lab.folder is None or not (lab.folder / "lab.yml").is_file():
        return True
    return label_of(lab.name, lab.folder) != lab.label


def _row(name: str, label: str, provider: str, state: str, folder: Path | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "provider": provider,
        "state": state,
        "folder": str(folder or ""),
    }


def _row_of(lab: Lab) -> dict[str, Any]:
    label = label_of(lab.name, lab.dir)
    try:
        context = make_context(lab, lab.load_spec())
        provider, state = context.provider.name, _state(context.provider.machines())
    except LabError as error:
        # One lab that cannot be read does not hide the others.
        provider, state = "", f"not readable: {error.brief}"
    return _row(lab.name, label, provider, state, lab.dir)


def _state(machines: list[Machine]) -> str:
    running = sum(machine.state == "running" for machine in machines)
    return f"{running} of {len(machines)} machines run"


def _row_of_host(lab: HostLab) -> dict[str, Any]:
    lost = "lost, " if _is_lost(lab) else ""
    machines = "1 machine runs" if lab.running == 1 else f"{lab.running} machines run"
    return _row(lab.name, lab.label, lab.provider, lost + machines, lab.folder)
