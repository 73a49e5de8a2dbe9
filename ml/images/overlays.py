"""Overlay planes of a DICOM file (repeating groups 60xx, PS3.3 C.9.2): side markers, regions, text.

They are shown over the image for people only; no model ever gets them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder

from ml.images.types import Overlay

GROUPS = range(0x6000, 0x6020, 2)
ROWS, COLUMNS, ORIGIN, BITS_ALLOCATED, BIT_POSITION, DATA = (
    0x0010, 0x0011, 0x0050, 0x0100, 0x0102, 0x3000,
)  # fmt: skip

# Lossy compression: what it changes in the greys it changes in the bits beside them, too.
LOSSY = frozenset(
    {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000}
)


@dataclass(frozen=True)
class _Plane:
    bits: NDArray[np.bool_]
    # Position of its first pixel in the image, counted from 0.
    row: int
    column: int


def read(dataset: FileDataset) -> Overlay | None:
    """Combine all overlay planes; None if the file has none. Never raises."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    mask = np.zeros((rows, columns), np.bool_)
    planes = unreadable = 0
    is_cut = False
    for group in GROUPS:
        if not _announces(dataset, group):
            continue
        try:
            plane = _plane(dataset, group)
        except Exception:  # a faulty overlay must not make the image unreadable
            unreadable += 1
            continue
        is_cut |= _lay(mask, plane)
        planes += 1
    if not planes and not unreadable:
        return None
    return Overlay(mask, planes, unreadable, is_cut)


def _announces(dataset: FileDataset, group: int) -> bool:
    return (group, DATA) in dataset or (group, BITS_ALLOCATED) in dataset


def _plane(dataset: FileDataset, group: int) -> _Plane:
    def number(element: int, default: int | None = None) -> int:
        if (group, element) not in dataset and default is not None:
            return default
        return int(dataset[group, element].value)

    rows = number(ROWS, int(dataset.Rows))
    columns = number(COLUMNS, int(dataset.Columns))
    first_row, first_column = 1, 1
    if (group, ORIGIN) in dataset:
        first_row, first_column = (int(each) for each in dataset[group, ORIGIN].value)
    if (group, DATA) in dataset:
        bits = _separate(dataset, group, rows, columns)
    else:
        bits = _embedded(dataset, number(BIT_POSITION))
    if bits.shape != (rows, columns):
        raise ValueError("the overlay has another size than it says")
    return _Plane(bits, first_row - 1, first_column - 1)


def _separate(dataset: FileDataset, group: int, rows: int, columns: int) -> NDArray[np.bool_]:
    """Unpack Overlay Data: one bit a pixel, the lowest bit first; of several frames the first."""
    element = dataset[group, DATA]
    packed = np.frombuffer(element.value, np.uint8)
    is_big = dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian
    if is_big and element.VR == "OW":
        packed = packed.view(np.uint16).byteswap().view(np.uint8)
    if rows < 1 or columns < 1 or packed.size * 8 < rows * columns:
        raise ValueError("the overlay is too short")
    bits = np.unpackbits(packed, count=rows * columns, bitorder="little")
    return bits.reshape(rows, columns).astype(np.bool_)


def _embedded(dataset: FileDataset, bit: int) -> NDArray[np.bool_]:
    """Extract a plane from an unused bit of Pixel Data (retired in 2004)."""
    lowest = int(dataset.HighBit) + 1 - int(dataset.BitsStored)
    if lowest <= bit <= int(dataset.HighBit) or not 0 <= bit < int(dataset.BitsAllocated):
        raise ValueError("the overlay is not in an unused bit")
    if int(dataset.SamplesPerPixel) != 1:
        raise ValueError("the overlay is in a colour image")
    if dataset.file_meta.TransferSyntaxUID in LOSSY:
        raise ValueError("lossy compression has changed the overlay")
    options: Any = {"view_only": True, "correct_unused_bits": False}
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    pixels, _ = decoder.as_array(dataset, index=0, raw=True, **options)
    bits: NDArray[np.bool_] = (pixels >> bit) & 1 != 0
    return bits


def _lay(mask: NDArray[np.bool_], plane: _Plane) -> bool:
    """Add a plane to the mask; return whether part of it lies outside the image."""
    rows, columns = mask.shape
    top, left = max(0, -plane.row), max(0, -plane.column)
    inside = plane.bits[top : max(0, rows - plane.row), left : max(0, columns - plane.column)]
    row, column = plane.row + top, plane.column + left
    mask[row : row + inside.shape[0], column : column + inside.shape[1]] |= inside
    return bool(plane.bits.sum() > inside.sum())
