"""Tolerant reading of elements, so that a broken one affects nothing else."""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

_BINARY = {"US", "SS", "US or SS", "UL", "SL", "FL", "FD"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: No legitimate grey or scale value of a radiograph comes near this.
_LARGEST = 1e9


def numbers(dataset: Dataset, keyword: str) -> list[float | None]:
    """Return each value of a numeric element, None for values that are not finite numbers.

    The list is empty where the element is absent or has no value.
    """
    return [_number(value) for value in _values(dataset, keyword)]


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first usable value of a numeric element, None if there is none."""
    return next((value for value in numbers(dataset, keyword) if value is not None), None)


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Return each value of an element as upper-case text; empty if unreadable."""
    values = [value for value in _values(dataset, keyword) if value is not None]
    return [str(value).strip("\0 ").upper() for value in values]


def unused_bits(dataset: Dataset) -> int:
    """Return how many unused bits are below the used ones, according to High Bit (PS3.5 8.1.1).

    An impossible High Bit counts as the usual one, which other viewers assume for every file.
    """
    high = first_number(dataset, "HighBit")
    shift = 0 if high is None else int(high) + 1 - int(dataset.BitsStored)
    return shift if 0 <= shift <= int(dataset.BitsAllocated) - int(dataset.BitsStored) else 0


def items(dataset: Dataset, keyword: str) -> list[Dataset] | None:
    """Return the items of a sequence, empty if absent, None if unreadable."""
    try:
        sequence = list(dataset.get(keyword) or ())
        return sequence if all(isinstance(item, Dataset) for item in sequence) else None
    except Exception:  # pydicom raises many kinds for a broken sequence
        return None


def words(item: Dataset, keyword: str, *, little_endian: bool = True) -> NDArray[np.uint16] | None:
    """Return an element of 16-bit words, None if absent, empty or unreadable.

    The VR is ignored: the words are taken as stored. An odd last byte becomes a word.
    """
    try:
        value = item.get(keyword)
        if isinstance(value, bytes):
            order = "<" if little_endian else ">"
            values = np.frombuffer(value + b"\0" * (len(value) % 2), f"{order}u2")
        else:
            values = np.atleast_1d(np.asarray(value if value is not None else [], np.int64))
    except Exception:
        return None
    return values.astype(np.uint16) if values.size else None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of an element, [None] if unreadable."""
    if keyword not in dataset:
        return []
    try:
        # Raw, because pydicom returns no value at all if one of several is broken.
        item = dataset.get_item(keyword)
        value = item.value
        vr = dictionary_VR(keyword) if item.VR in (None, "UN") else item.VR
        if isinstance(value, bytes):
            value = dataset[keyword].value if vr in _BINARY else value.decode("latin-1")
    except Exception:
        return [None]
    if value is None or (isinstance(value, str) and not value.strip("\0 ")):
        return []
    if isinstance(value, str):
        return value.split("\\")
    return list(value) if hasattr(value, "__iter__") else [value]


def _number(value: Any) -> float | None:
    text = str(value).strip("\0 ")
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None
