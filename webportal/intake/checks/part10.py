"""Writing a DICOM file (PS3.10) of plain elements, in explicit VR and little endian.

pydicom would write the same bytes, and takes longer for that than it takes to decode the image.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword

from ml.images.parsing import ITEM_TAG, SEQUENCE_DELIMITER

#: Text, a whole number, or bytes; several texts are joined by a backslash.
Value = str | int | bytes

_PREAMBLE = b"\0" * 128 + b"DICM"
_VERSION = b"\0\1"
_UNDEFINED = 0xFFFFFFFF
_ITEM = struct.Struct("<4sI")
_NUMBERS = {"US": "<H", "UL": "<I"}
# Their length has four bytes, after two that are reserved (PS3.5 7.1.2).
_LONG = {"OB", "OW"}


def file_of(
    meta: Mapping[str, Value], elements: Mapping[str, Value], pixels: Sequence[bytes]
) -> bytes:
    """Return a file; the elements have the keywords of PS3.6, and text is UTF-8.

    `pixels` is Pixel Data in parts; see `native` and `encapsulated`.
    """
    described = _written({"FileMetaInformationVersion": _VERSION, **meta})
    length = _written({"FileMetaInformationGroupLength": len(described)})
    return b"".join([_PREAMBLE, length, described, _written(elements), *pixels])


def native(pixels: bytes, vr: str) -> list[bytes]:
    """Return Pixel Data as it lies in memory, as OB or OW."""
    padding = b"\0" * (len(pixels) % 2)
    return [_head("PixelData", vr, len(pixels) + len(padding)), pixels, padding]


def encapsulated(frame: bytes) -> list[bytes]:
    """Return Pixel Data of one compressed frame, with its place in the table of offsets."""
    padding = b"\0" * (len(frame) % 2)
    return [
        _head("PixelData", "OB", _UNDEFINED),
        _ITEM.pack(ITEM_TAG, 4) + bytes(4),
        _ITEM.pack(ITEM_TAG, len(frame) + len(padding)),
        frame,
        padding,
        SEQUENCE_DELIMITER,
    ]


def _written(elements: Mapping[str, Value]) -> bytes:
    return b"".join(_element(each, elements[each]) for each in sorted(elements, key=_tag))


def _element(keyword: str, value: Value) -> bytes:
    vr = _vr(keyword)
    if isinstance(value, int):
        data = struct.pack(_NUMBERS[vr], value)
    else:
        data = value.encode() if isinstance(value, str) else value
        if len(data) % 2:
            data += b" " if isinstance(value, str) and vr != "UI" else b"\0"
    return _head(keyword, vr, len(data)) + data


def _head(keyword: str, vr: str, length: int) -> bytes:
    tag = _tag(keyword)
    form = "<HH2sxxI" if vr in _LONG else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr.encode(), length)


# Both are looked up once, because pydicom takes long to find them.
_vr = cache(dictionary_VR)


@cache
def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag
