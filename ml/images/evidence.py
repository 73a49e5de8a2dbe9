"""Evidence in the pixels on how they are stored, where it contradicts the header.

Images are smooth; one read with too few bits, or wrongly as signed, has discontinuities along
lines, where neighbouring pixels lie at opposite ends of the range.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.errors import translatable

MORE_BITS = translatable(
    "The file’s pixels have more bits than it says (Bits Stored); all of them are shown."
)
NO_SIGN = translatable(
    "The file says that its pixel values have a sign (Pixel Representation), and its pixels that"
    " they have none; they are shown without."
)
SIGN = translatable(
    "The file says that its pixel values have no sign (Pixel Representation), and its pixels that"
    " they have one; they are shown with it."
)
# Fewer different values may be burnt-in text or padding.
_FEWEST_NEGATIVE = 64
# Fewer discontinuities than this may be burnt-in text.
_FEWEST_TEARS = 0.002
_LINES = 256


def used_bits(stored: NDArray[Any], bits: int) -> int:
    """Return the bit depth of unsigned values: `bits`, or more if that gives a smoother image.

    Anything else in the upper bits, such as an overlay, only makes it rougher.
    """
    used = int(np.bitwise_or.reduce(stored, axis=None)).bit_length()
    if used <= bits:
        return bits
    lines = _lines(stored)
    whole, masked = _roughness(lines), _roughness(lines & (2**bits - 1))
    return used if whole < 0.9 * masked else bits


def has_sign(stored: NDArray[Any], bits: int) -> bool:
    """Whether `bits`-bit values declared as signed really are signed."""
    lines = _lines(stored)
    without = np.abs(np.diff(lines, axis=1))
    with_sign = np.abs(np.diff(lines ^ 2 ** (bits - 1), axis=1))
    torn = 2**bits * 7 // 8
    tears = int((with_sign > torn).sum())
    return tears <= _FEWEST_TEARS * with_sign.size or int((without > torn).sum()) * 10 >= tears


def negative_bits(stored: NDArray[Any], bits: int) -> int | None:
    """Return the bit depth of values declared as unsigned that are signed; None if they are not.

    Small negative values fill the upper bits with ones, so that the range has values at both ends
    and nothing in the middle. `stored`: of unsigned type, with all bits as they lie in the file.
    """
    size = stored.dtype.itemsize * 8
    values = np.unique(stored[:: max(1, len(stored) // _LINES)]).astype(np.int64)
    negative = values[values >= 2 ** (size - 1)] - 2**size
    positive = values[values < 2 ** (size - 1)]
    if len(negative) < _FEWEST_NEGATIVE or not len(positive):
        return None
    needed = max(int(positive.max()), int(-negative.min()) - 1).bit_length() + 1
    if negative.max() < -(2 ** (needed - 3)):  # far from zero: overlays in the upper bits
        return None
    return max(needed, min(bits, size - 1)) if needed < size else None


def _lines(stored: NDArray[Any]) -> NDArray[np.int32]:
    """Return a sample of rows, in a type that can be subtracted."""
    return stored[:: max(1, len(stored) // _LINES)].astype(np.int32)


def _roughness(lines: NDArray[np.int32]) -> float:
    return float(np.abs(np.diff(lines, axis=1)).mean()) if lines.shape[1] > 1 else 0.0
