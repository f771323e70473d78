"""The source ``oci``: images of registries, fetched by skopeo once, on this host.

An image is fetched by the digest of its index, for the platform of the machines. skopeo checks
each part against the digests that follow from that one, and keeps it: a part that is there is not
fetched again. What comes out is the archive that ``docker save`` would write.
"""

import json
import re
import shutil
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from provisioner.artifacts.download import DownloadRoute
from provisioner.artifacts.image_names import short, split
from provisioner.artifacts.image_pins import Pin
from provisioner.artifacts.registry import DIGEST, Place, first_of
from provisioner.artifacts.registry_faults import HALF, PLATFORM, HalfImageError, fault_in
from provisioner.artifacts.registry_login import find_login
from provisioner.artifacts.sources.base import Description, Source
from provisioner.artifacts.sources.local_file import FILE
from provisioner.artifacts.store import content_key, sha256
from provisioner.catalog.model import Build
from provisioner.errors import LabError, SpecError
from provisioner.model import Tell
from provisioner.shell import WITH_US, Result, run, tail

FOLDER = "oci"
"""The folder of the cache for the parts of images."""

ARCHITECTURE = "amd64"
SECONDS = 3600


class OciBuild(Build):
    """An image with its tag. ``digest`` is that of the index, empty if its publisher names none.

    ``files`` are files to take out of the image: their names in the entry by their paths.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["oci"]
    image: str
    digest: str = ""
    files: dict[str, str] = Field(default={})


def _skopeo(words: Collection[str], proxy: str) -> Result:
    env = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy} if proxy else {}
    argv = [*WITH_US, "skopeo", *words]
    return run(argv, check=False, timeout=SECONDS, env=env)


def _said(failed: Result) -> str:
    """The message of skopeo's last line, without what its logger adds."""
    last = tail(failed.stderr, 1)
    message = re.search(r'msg="((?:[^"\\]|\\.)*)"', last)
    return message[1].replace('\\"', '"') if message else last


def _access(place: Place, route: DownloadRoute, work: Path) -> list[str]:
    """The options of skopeo for a server: the user's login, and certificates to trust as well."""
    login = find_login(place.host, place.repository)
    words = [f"--src-authfile={login.file}"] if login else ["--src-no-creds"]
    if not place.encrypted:
        words.append("--src-tls-verify=false")
    if route.ca_file:
        trusted = work / "certificates"
        trusted.mkdir(exist_ok=True)
        for file in (Path(route.ca_file), *place.certificates):
            shutil.copyfile(file, trusted / f"{file.stem}.crt")
        words.append(f"--src-cert-dir={trusted}")
    return words


def _drop_broken(blobs: Path) -> bool:
    """Remove the parts that are not what their names say; whether there were any."""
    broken = [file for file in (blobs / "sha256").glob("*") if sha256(file) != file.name]
    for file in broken:
        file.unlink()
    return bool(broken)


def _copy(pin: Pin, place: Place, route: DownloadRoute, blobs: Path, work: Path) -> Path:
    """Fetch an image from one server; returns its archive.

    Raises:
        RegistryError: the server did not give it whole.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    layout, archive = f"oci:{work}/layout:image", work / FILE
    platform = ("--override-os=linux", f"--override-arch={ARCHITECTURE}")
    came = _skopeo(
        [
            *("copy", *platform, *_access(place, route, work), f"--dest-shared-blob-dir={blobs}"),
            *(f"docker://{place.name}@{pin.digest}", layout),
        ],
        route.proxy,
    )
    if came.code != 0:
        raise fault_in(came.stderr).error(place.host, pin.reference, _said(came))
    name = "/".join(split(pin.reference)[:2]) + f":{split(pin.reference)[2]}"
    packed = _skopeo(
        ["copy", f"--src-shared-blob-dir={blobs}", layout, f"docker-archive:{archive}:{name}"], ""
    )
    if packed.code != 0:
        raise HALF.error(place.host, pin.reference, _said(packed))
    return archive


def _check_platform(pin: Pin, archive: Path) -> None:
    """Refuse an image of another platform: skopeo chooses from an index only.

    Raises:
        RegistryError: the image is for another platform.
    """
    with tarfile.open(archive) as tar:
        config = json.load(tar.extractfile(_description(tar)["Config"]))  # type: ignore[arg-type]
    found = f"{config.get('os')}/{config.get('architecture')}"
    if found != f"linux/{ARCHITECTURE}":
        raise PLATFORM.error(split(pin.reference)[0], pin.reference, f"It is for {found}.")


def _description(tar: tarfile.TarFile) -> dict[str, list[str]]:
    found: list[dict[str, list[str]]] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    return found[0]


def take_file(archive: Path, path: str, into: Path) -> None:
    """Take a file out of the image in ``archive``, from the uppermost layer that has it.

    Raises:
        LabError: no layer has it.
    """
    with tarfile.open(archive) as tar:
        for layer in reversed(_description(tar)["Layers"]):
            with tarfile.open(fileobj=tar.extractfile(layer)) as tree:
                for member in tree:
                    if member.isfile() and member.name.lstrip("./") == path:
                        with into.open("wb") as out:
                            shutil.copyfileobj(tree.extractfile(member), out)  # type: ignore[arg-type]
                        into.chmod(0o755)
                        return
    raise LabError(f"{path}: no such file in the image", str(archive), "Correct the catalogue.")


def fetch(pin: Pin, route: DownloadRoute, cache: Path, work: Path) -> Path:
    """Fetch an image by its digest; returns its archive, in ``work``.

    Raises:
        RegistryError: no server gave it, or what it gave is another image.
    """
    blobs = cache / FOLDER
    blobs.mkdir(parents=True, exist_ok=True)

    def copy(place: Place) -> Path:
        pin.check(place, route)
        try:
            return _copy(pin, place, route, blobs, work)
        except HalfImageError:
            if not _drop_broken(blobs):
                raise
            return _copy(pin, place, route, blobs, work)

    archive = first_of(pin.reference, route, copy)
    _check_platform(pin, archive)
    return archive


class OciSource(Source[OciBuild], word="oci", model=OciBuild, mib=300, uses="registry"):
    """Fetches an image from its registry or a mirror."""

    @property
    def pin(self) -> Pin:
        """The image with its digest, from the catalogue or else from the lock."""
        image, lock = self.build.image, self.workshop.lock
        if self.build.digest:
            return Pin(image, self.build.digest)
        return Pin(image, lock.digest(image), str(lock.file))

    @property
    def key(self) -> str:
        """The content key, from the digest: it does not matter whether a lock has it."""
        model = self.build.model_dump() | {"digest": self.pin.digest}
        return content_key(model)

    def describe(self) -> list[Description]:
        """The image and its digest."""
        registry, repository, tag = split(self.build.image)
        digest = self.pin.digest.removeprefix("sha256:")
        return [Description("image", self.name, tag, f"{registry}/{repository}", digest)]

    def make(self, into: Path, tell: Tell) -> None:
        """Fetch the image, and take its files out of it.

        Raises:
            LabError: as ``fetch``, or the digest is not known yet.
        """
        pin, shop = self.pin, self.workshop
        if not pin.digest:
            why = f"Its publisher names none, and {shop.lock.file} has none yet."
            hint = "Run `kubelab artifacts lock`, and commit that file."
            raise LabError(f"{short(pin.reference)}: no digest", why, hint)
        tell(f"fetching {short(pin.reference)}", None)
        work = shop.cache / "work" / self.name
        archive = fetch(pin, shop.route, shop.cache, work)
        for name, path in self.build.files.items():
            take_file(archive, path, into / name)
        shutil.move(archive, into / FILE)
        shutil.rmtree(work)

    def pins(self) -> list[Pin]:
        """The image."""
        return [self.pin]

    def faults(self) -> Iterator[str]:
        """A digest that is none, and files that would be outside the entry."""
        if self.build.digest and not DIGEST.fullmatch(self.build.digest):
            yield "digest: not a digest: write sha256: and 64 hexadecimal digits"
        for name in self.build.files:
            if "/" in name or name.startswith("."):
                yield f"files.{name}: not a file name: use letters, digits, '-', '_' and '.'"

    def check(self, references: Collection[str]) -> None:
        """Check that the image is the one that a component of the catalogue wants.

        Raises:
            SpecError: it has another name or tag.
        """
        for reference in references:
            if short(reference) != short(self.build.image):
                where = f"artifacts.overrides.artifacts_builds.{self.name}.image"
                why = f"The component wants {reference}."
                raise SpecError(f"{where}: {self.build.image}", why, "Name that image.")
