"""Names of images. Docker Hub's names have a short form, and tools write either.

``busybox:1``, ``library/busybox:1`` and ``docker.io/library/busybox:1`` are the same image. The
short form is the one that docker prints and that the manifests of pods have.
"""

HUB = "docker.io"
HUB_ALIASES = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


def split(reference: str) -> tuple[str, str, str]:
    """Registry, repository and tag of ``reference``; a missing tag is ``latest``."""
    name, _, tag = reference.rpartition(":")
    if not name or "/" in tag:
        name, tag = reference, "latest"
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = HUB, name
    if registry in HUB_ALIASES:
        registry = HUB
    if registry == HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository, tag


def short(reference: str) -> str:
    """The short form of ``reference``, by which two names of one image compare as equal."""
    registry, repository, tag = split(reference)
    if registry == HUB:
        return f"{repository.removeprefix('library/')}:{tag}"
    return f"{registry}/{repository}:{tag}"
