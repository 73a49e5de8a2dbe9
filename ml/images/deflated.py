"""Inflating files with transfer syntax Deflated Explicit VR Little Endian (PS3.5 A.5)."""

import zlib

from pydicom import uid

from ml.errors import ImageError, truncated
from ml.images.types import MAX_PIXELS

# 16-bit pixels, plus more than any header takes.
_MOST_BYTES = 2 * MAX_PIXELS + 2**24
_DEFLATED = str(uid.DeflatedExplicitVRLittleEndian).encode()
# Of the same length, as UI values are padded, so that no length in the header changes.
_EXPLICIT = str(uid.ExplicitVRLittleEndian).encode().ljust(len(_DEFLATED), b"\0")
# Preamble and prefix, then File Meta Information Group Length: tag, VR UL, length 4.
_GROUP_LENGTH_AT, _GROUP_LENGTH = 132, b"\x02\x00\x00\x00UL\x04\x00"


def inflated(data: bytes) -> bytes:
    """Return a deflated file as Explicit VR Little Endian, and any other unchanged.

    Raises ImageError if it is truncated or damaged, or inflates to more than any radiograph needs.
    """
    if _DEFLATED not in data[_GROUP_LENGTH_AT:2048]:
        return data
    value_at = _GROUP_LENGTH_AT + len(_GROUP_LENGTH)
    if data[_GROUP_LENGTH_AT:value_at] != _GROUP_LENGTH:
        raise _unreadable()
    end = value_at + 4 + int.from_bytes(data[value_at : value_at + 4], "little")
    if _DEFLATED not in data[:end]:
        raise _unreadable()
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        dataset = unpacking.decompress(data[end:], _MOST_BYTES)
    except zlib.error:
        raise _unreadable() from None
    if unpacking.unconsumed_tail:
        raise ImageError("too_large", variant="deflated")
    if not unpacking.eof:
        raise truncated()
    return data[:end].replace(_DEFLATED, _EXPLICIT) + dataset


def _unreadable() -> ImageError:
    return ImageError("undecodable", variant="deflated")
