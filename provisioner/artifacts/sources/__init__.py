"""The sources of builds, one module each."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from provisioner.artifacts.sources.base import SOURCES, Source, Workshop
from provisioner.catalog.model import Build

for found in pkgutil.iter_modules(__path__):
    # A source registers itself on import.
    importlib.import_module(f"{__name__}.{found.name}")


def source_of(name: str, workshop: Workshop) -> Source[Any]:
    """The source of a build of the catalogue, by the build's name."""
    return _read(name, workshop.catalog.builds[name], workshop)


def _read(name: str, build: Build, workshop: Workshop) -> Source[Any]:
    source = SOURCES[build.source]
    return source(name, source.model.model_validate(build.model_dump()), workshop)


def faults_of(workshop: Workshop) -> Iterator[str]:
    """The faults of all builds in the catalogue, each with its key path."""
    catalog = workshop.catalog
    for section in ("builds", "upstream"):
        for name, build in getattr(catalog, section).items():
            where = f"artifacts_{section}.{name}"
            if build.source not in SOURCES:
                yield f"{where}.source: no source {build.source!r}; use {', '.join(SOURCES)}"
                continue
            try:
                yield from (f"{where}.{fault}" for fault in _read(name, build, workshop).faults())
            except ValidationError as bad:
                for error in bad.errors():
                    yield f"{'.'.join((where, *map(str, error['loc'])))}: {error['msg']}"
