"""What the pixels themselves show of how they are stored, where the header says otherwise.

A picture is smooth, and one that is read with too few bits or with a sign that it has not is torn
along lines: its neighbours there lie at the opposite ends of the range. That is evident enough to
go by.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.images.types import translatable

MORE_BITS = translatable(
    "The file’s pixels have more bits than it says (Bits Stored); all of them are shown."
)
NO_SIGN = translatable(
    "The file says that its pixel values have a sign (Pixel Representation), and its pixels that"
    " they have none; they are shown without."
)
# Tears in fewer neighbours than these may be burnt-in letters.
_FEWEST_TEARS = 0.002
_LINES = 256


def used_bits(stored: NDArray[Any], bits: int) -> int:
    """Return how many bits unsigned values have: `bits`, or more where that is a smoother picture.

    What else may lie above the picture, such as an overlay, only makes it rougher.
    """
    used = int(np.bitwise_or.reduce(stored, axis=None)).bit_length()
    if used <= bits:
        return bits
    lines = _lines(stored)
    whole, masked = _roughness(lines), _roughness(lines & (2**bits - 1))
    return used if whole < 0.9 * masked else bits


def has_sign(stored: NDArray[Any], bits: int) -> bool:
    """Whether values of `bits` bits that are said to have a sign have one."""
    lines = _lines(stored)
    without = np.abs(np.diff(lines, axis=1))
    with_sign = np.abs(np.diff(lines ^ 2 ** (bits - 1), axis=1))
    torn = 2**bits * 7 // 8
    tears = int((with_sign > torn).sum())
    return tears <= _FEWEST_TEARS * with_sign.size or int((without > torn).sum()) * 10 >= tears


def _lines(stored: NDArray[Any]) -> NDArray[np.int32]:
    """Return enough of the rows to judge by, as numbers that may be subtracted."""
    return stored[:: max(1, len(stored) // _LINES)].astype(np.int32)


def _roughness(lines: NDArray[np.int32]) -> float:
    return float(np.abs(np.diff(lines, axis=1)).mean()) if lines.shape[1] > 1 else 0.0
