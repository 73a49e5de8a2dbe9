"""Completeness check for PNG image data: whether there is a line for every row of the header.

Pillow fills the rest with black where the compressed data ends early but validly.
"""

import zlib
from collections.abc import Iterator

from ml.errors import truncated

_HEADER_AT, _CHUNKS_AT = 16, 8
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE = 2**20
#: First row, first column, and the steps of each pass of an interlaced image (Adam7).
_PASSES = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)


def check(data: bytes) -> None:
    """Raise ImageError if a PNG that Pillow decodes has less image data than its header says."""
    missing = _expected_bytes(data)
    unpacking = zlib.decompressobj()
    for compressed in _image_data(data):
        waiting = compressed
        while waiting and missing > 0:
            try:
                missing -= len(unpacking.decompress(waiting, _PIECE))
            except zlib.error:
                raise truncated() from None
            waiting = unpacking.unconsumed_tail
    if missing > 0 and missing > len(unpacking.flush()):
        raise truncated()


def _expected_bytes(data: bytes) -> int:
    """The length of all lines, each of which begins with the byte that names its filter."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (_HEADER_AT, 20))
    bits, channels, is_interlaced = data[24], _CHANNELS.get(data[25], 1), data[28] != 0
    passes = _PASSES if is_interlaced else ((0, 0, 1, 1),)
    total = 0
    for row, column, row_step, column_step in passes:
        rows = max(0, -(-(height - row) // row_step))
        columns = max(0, -(-(width - column) // column_step))
        if columns:
            total += rows * (1 + -(-columns * channels * bits // 8))
    return total


def _image_data(data: bytes) -> Iterator[bytes]:
    at = _CHUNKS_AT
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length
