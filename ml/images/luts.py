"""Look-up tables of a DICOM file (PS3.3 C.11.1.1.1), including ones with wrong descriptors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml.images.elements import numbers, words

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Lut:
    """`entries` for the values from `first` on; `full_scale` is the entry that means white."""

    entries: Values
    first: int
    full_scale: float

    def apply(self, values: Values) -> Values:
        """Return the entry for each value, clamped to the ends of the table."""
        first = self.first
        if first >= 32768 and values.min() < 0:  # a signed first value read as unsigned
            first -= 65536
        index = np.clip(np.rint(values) - first, 0, self.entries.size - 1).astype(np.intp)
        found: Values = self.entries[index]
        return found


def is_empty(item: Dataset) -> bool:
    """Whether an item of a LUT sequence has no table at all, as some writers leave it."""
    return not numbers(item, "LUTDescriptor") and words(item, "LUTData") is None


def read(item: Dataset, *, little_endian: bool) -> Lut | None:
    """Return the table of an item of a LUT sequence; None if unusable.

    It is unusable without a valid descriptor, with fewer entries than the descriptor says, or if
    all entries are the same. The descriptor's third value, the bits of an entry, is often that of
    the storage (Agfa) or wrong. It is used only if it fits the entries; otherwise the largest
    entry is white, as in other viewers.
    """
    descriptor = numbers(item, "LUTDescriptor")
    data = words(item, "LUTData", little_endian=little_endian)
    if data is None or len(descriptor) != 3 or descriptor[0] is None or descriptor[1] is None:
        return None
    size = int(descriptor[0]) % 65536 or 65536  # a size over 32767 may have been read as signed
    entries = _unpacked(data, size)
    if entries is None or entries.min() == entries.max():
        return None
    largest = int(entries.max())
    bits = int(descriptor[2] or 0)
    full_scale = 2**bits - 1 if largest.bit_length() == bits else largest
    return Lut(entries.astype(np.float64), int(descriptor[1]), full_scale)


def _unpacked(data: NDArray[np.uint16], size: int) -> NDArray[np.uint16] | None:
    """Return `size` entries: one per word, or two 8-bit entries per word, low byte first."""
    if data.size >= size:
        return data[:size]
    if data.size > (size + 1) // 2 + 1 or data.size < (size + 1) // 2:
        return None  # neither all 16-bit words nor packed bytes: truncated
    return data.astype("<u2").view(np.uint8)[:size].astype(np.uint16)
