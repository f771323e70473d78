"""Errors of libvirt as errors for the user."""

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from provisioner.errors import LabError


@contextmanager
def as_lab_error(brief: str, hint: str) -> Iterator[None]:
    """Turn an error of libvirt into a LabError that quotes it.

    Raises:
        LabError: libvirt refused something in the block.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        raise LabError(brief, str(error), hint) from None
