"""What libvirt refuses, as an error for the user."""

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from provisioner.errors import LabError


@contextmanager
def in_words(brief: str, hint: str) -> Iterator[None]:
    """Make what libvirt refuses an error for the user, with libvirt's own words in it.

    Raises:
        LabError: libvirt refused something in the block.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        raise LabError(brief, str(error), hint) from None
