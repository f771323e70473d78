"""Names and paths of the catalogue: none of them leads out of the folder that it belongs to.

Keys of the catalogue become names of files, and values become paths below a build, an image or a
set. Overrides of a spec can have any of them. So the data is checked as a whole, before the models
of the catalogue and of the sources read it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][\w.+~-]*", re.ASCII)
# Names, versions and parts of references of images, which have colons and slashes, too.
REFERENCE = re.compile(r"([A-Za-z0-9][\w.+~:/@-]*)?", re.ASCII)
# Keys whose own keys become names of files or of folders.
OF_NAMES = frozenset(
    ("builds", "upstream", "layers", "boxes", "toolchains", "python_locks", "images")
)
BUILDS = frozenset(("artifacts_builds", "artifacts_upstream"))
# Values that are no paths below a folder: files of this host, addresses, a regular expression.
FREE = frozenset(("path", "url", "sums", "expects"))
# Keys of addresses. Python would read a file of this host by one of file://.
ADDRESSES = frozenset(("url", "sums"))
# Keys below which values may begin as options do: programs of containers and of kernels read them.
OPTIONS = frozenset(("settings", "checks", "entrypoint", "kernel_arguments", "baked_daemon"))
# The key whose value names a file below /etc/yum.repos.d.
FILE = "file"

Place = tuple[str, ...]


def _strings(value: Any, at: Place) -> Iterator[tuple[Place, str, bool]]:
    """Every string below ``value`` with its place, and whether it is a key."""
    if isinstance(value, str):
        yield at, value, False
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*at, str(key)), str(key), True
            yield from _strings(inner, (*at, str(key)))
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*at, f"[{index}]"))


def _names_a_file(at: Place) -> bool:
    """Whether the key at a place becomes the name of a file or of a folder."""
    above = at[-2].removeprefix("artifacts_") if len(at) > 1 else ""
    return above in OF_NAMES or (at[0] == "artifacts_upstream" and at[2:3] == ("files",) != at[2:])


def _is_named(at: Place) -> bool:
    """Whether a place is that of a name, a version, a tag or a repository of a component."""
    return at[-1] in ("name", "version", "tag", "repository")


def _is_address(at: Place, text: str) -> bool:
    """Whether a text is the address of something elsewhere; a box may be a file that we baked."""
    here = ("file://",) if at[0] == "artifacts_boxes" else ()
    return not text or text.startswith(("https://", "http://", *here))


def _why(at: Place, text: str, *, is_key: bool) -> str:
    """Why a string is refused; empty if it is not."""
    if not all(character.isprintable() or character in "\n\t" for character in text):
        return "has a control character"
    if is_key and _names_a_file(at) and not NAME.fullmatch(text):
        return "not a name: use letters, digits, '.', '_', '+', '~' and '-'"
    if is_key and text.startswith(("/", "-")):
        return "a key may not begin with '/' or '-'"
    if not is_key and at[-1] in ADDRESSES and not _is_address(at, text):
        return "not an address: begin it with https:// or http://"
    if not is_key and at[-1] in FREE:
        return ""
    if not is_key and at[-1] == FILE and not NAME.fullmatch(text):
        return "not a file name: use letters, digits, '.', '_', '+', '~' and '-'"
    if not is_key and text.startswith("-") and not OPTIONS & set(at):
        return "may not begin with '-': a program of this host would take it for an option"
    if "stamps" in at[:-1] and re.search(r"[\s'\"]", text):
        return "has a space or a quote, so the linker would take it for several arguments"
    if not is_key and _is_named(at) and not REFERENCE.fullmatch(text):
        return "use letters, digits, '.', '_', '+', '~', ':', '/', '@' and '-'"
    if ".." in PurePosixPath(text).parts:
        return "leads out of its folder by '..'"
    if not is_key and at[0] in BUILDS and text.startswith("/"):
        return "an absolute path: name a path below the build"
    return ""


def faults_of(data: Mapping[str, Any]) -> Iterator[str]:
    """Names and paths that are refused, each with its key path."""
    for at, text, is_key in _strings(data, ()):
        if why := _why(at, text, is_key=is_key):
            shown = ".".join(at).replace(".[", "[")
            yield f"{shown if shown.isprintable() else repr(shown)}: {why}"
