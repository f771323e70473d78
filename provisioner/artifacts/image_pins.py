"""Images with the digests that they have to have."""

from dataclasses import dataclass

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.image_names import split
from provisioner.artifacts.registry import Place, ask, first_of
from provisioner.artifacts.registry_faults import MOVED, WRONG, UnknownImageError


@dataclass(frozen=True)
class Pin:
    """An image with the digest that it has to have. ``lock`` is the file that says so, if any."""

    reference: str
    digest: str
    lock: str = ""

    def check(self, place: Place, route: DownloadRoute) -> None:
        """Check that ``place`` has the image; a tag of the lock may not have moved.

        Raises:
            RegistryError: it has another image or none, or did not answer.
        """
        if not self.lock:
            return self._check_digest(place, route)
        now = ask(place, self.reference, split(self.reference)[2], route)
        if now != self.digest:
            said = f"{self.lock} says {self.digest}, and the tag has {now}."
            raise MOVED.error(place.host, self.reference, said)
        return None

    def _check_digest(self, place: Place, route: DownloadRoute) -> None:
        try:
            ask(place, self.reference, self.digest, route)
        except UnknownImageError:
            # Raises as well if there is no such tag.
            now = ask(place, self.reference, split(self.reference)[2], route)
            said = f"The catalogue says {self.digest}, and the tag has {now}."
            raise WRONG.error(place.host, self.reference, said) from None

    def check_somewhere(self, route: DownloadRoute) -> None:
        """Check that one of the image's servers has it.

        Raises:
            RegistryError: as ``check``, of all servers.
        """
        first_of(self.reference, route, lambda place: self.check(place, route))
