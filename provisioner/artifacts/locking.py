"""The images of components in their registries: asked, and locked, all at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from provisioner.artifacts.image_names import short
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.registry import resolve
from provisioner.artifacts.registry_faults import RegistryError
from provisioner.artifacts.sources import source_of
from provisioner.artifacts.sources.base import Workshop
from provisioner.catalog.model import Component
from provisioner.errors import LabError

AT_ONCE = 8
T = TypeVar("T")


def pins_of(workshop: Workshop, components: Iterable[Component]) -> list[Pin]:
    """The images of registries that components need."""
    builds = workshop.catalog.builds_of(components)
    return [pin for name in builds for pin in source_of(name, workshop).pins()]


def each(pins: Iterable[Pin], call: Callable[[Pin], T]) -> dict[Pin, T | RegistryError]:
    """What ``call`` returns for each image, or its error."""

    def tried(pin: Pin) -> T | RegistryError:
        try:
            return call(pin)
        except RegistryError as error:
            return error

    wanted = list(dict.fromkeys(pins))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(tried, wanted), strict=True))


def state_of(pin: Pin, workshop: Workshop) -> str:
    """The digest that an image has in its registry: the pinned one, or the one to lock.

    Raises:
        RegistryError: no server has the image, or its tag moved.
    """
    if not pin.digest:
        return resolve(pin.reference, workshop.route)
    pin.check_somewhere(workshop.route)
    return pin.digest


def all_of(faults: Iterable[RegistryError]) -> LabError | None:
    """One error for all images that could not be had; None if there is none."""
    found = list(faults)
    if len(found) < 2:
        return found[0] if found else None
    alike: dict[tuple[str, str], list[str]] = {}
    for fault in found:
        reference, _, why = fault.brief.partition(": ")
        alike.setdefault((why, fault.details), []).append(reference)
    told = "\n".join(f"{why}, {said}: {', '.join(refs)}" for (why, said), refs in alike.items())
    hints = "\n  ".join(dict.fromkeys(fault.hint for fault in found))
    return RegistryError(f"{len(found)} images cannot be had", told, hints)


def lock_images(workshop: Workshop, pins: Iterable[Pin]) -> dict[Pin, str]:
    """Ask for the digest of each image that has none yet, and keep it in the lock.

    Raises:
        LabError: a registry did not tell one (the others are kept), or the file is not writable.
    """
    asked = each([pin for pin in pins if not pin.digest], lambda pin: state_of(pin, workshop))
    new = {pin: answer for pin, answer in asked.items() if isinstance(answer, str)}
    if new:
        workshop.lock.keep({short(pin.reference): digest for pin, digest in new.items()})
    if fault := all_of(a for a in asked.values() if isinstance(a, RegistryError)):
        raise fault
    return new
