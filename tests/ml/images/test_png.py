"""PNG: whether all of its image data is there."""

import struct
import zlib

import numpy as np
import pytest

from ml import images
from tests import dicom_files as files

# Adam7: first row, first column, row step, column step.
PASSES = [
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
]


def claiming(data: bytes, rows: int | None = None, interlaced: bytes = b"\0") -> bytes:
    """A PNG whose header names another number of rows."""
    height = data[20:24] if rows is None else struct.pack(">I", rows)
    header = data[12:20] + height + data[24:28] + interlaced
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def interlaced(lines_left_out: int = 0) -> bytes:
    """A PNG whose image data is in the order of Adam7, without the last lines."""
    pixels = files.phantom(size=(131, 130))
    lines = [
        b"\0" + line.tobytes()
        for row, column, rows, columns in PASSES
        for line in pixels[row::rows, column::columns]
    ]
    body = zlib.compress(b"".join(lines[: len(lines) - lines_left_out]))
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body
    chunk += struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return claiming(files.png(pixels)[:33], interlaced=b"\1") + chunk + files.png(pixels)[-12:]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", None])
def test_a_png_without_its_last_line_is_refused(mode: str | None) -> None:
    good = files.png(files.phantom(8 if mode else 16), mode)
    images.check_whole(good)
    with pytest.raises(images.ImageError) as refusal:
        images.check_whole(claiming(good, files.SIZE[0] + 1))
    assert refusal.value.code == "truncated"


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_png_of_few_bits_is_whole(bits: int) -> None:
    data = files.png(files.phantom() >> (8 - bits), "P", bits=bits)
    assert data[24] == bits
    images.check_whole(data)


def test_an_interlaced_png_is_whole_with_its_last_line() -> None:
    data = interlaced()
    assert np.array_equal(images.read(data).pixels, files.phantom(size=(131, 130)))
    images.check_whole(data)
    with pytest.raises(images.ImageError) as refusal:
        images.check_whole(interlaced(lines_left_out=1))
    assert refusal.value.code == "truncated"
