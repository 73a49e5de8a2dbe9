"""Reading elements that may hold anything, so that one that is broken costs only itself."""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

_BINARY = {"US", "SS", "US or SS", "UL", "SL", "FL", "FD"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Nothing that a radiograph says about its greys or its scale comes near this.
_LARGEST = 1e9


def numbers(dataset: Dataset, keyword: str) -> list[float | None]:
    """Return each value of a numeric element, None for one that is no number or not a finite one.

    The list is empty where the element is absent or has no value.
    """
    return [_number(value) for value in _values(dataset, keyword)]


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of a numeric element that can be used, None where there is none."""
    return next((value for value in numbers(dataset, keyword) if value is not None), None)


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Return each value of an element as text in capitals; none where it cannot be read."""
    values = [value for value in _values(dataset, keyword) if value is not None]
    return [str(value).strip("\0 ").upper() for value in values]


def unused_bits(dataset: Dataset) -> int:
    """Return how many unused bits are below the used ones, as High Bit says it (PS3.5 8.1.1).

    One that cannot be is taken for the usual, as other viewers take every one.
    """
    high = first_number(dataset, "HighBit")
    shift = 0 if high is None else int(high) + 1 - int(dataset.BitsStored)
    return shift if 0 <= shift <= int(dataset.BitsAllocated) - int(dataset.BitsStored) else 0


def items(dataset: Dataset, keyword: str) -> list[Dataset] | None:
    """Return the items of a sequence, none where it is absent; None where it cannot be read."""
    try:
        found = list(dataset.get(keyword) or ())
        return found if all(isinstance(item, Dataset) for item in found) else None
    except Exception:  # pydicom raises many kinds for a broken sequence
        return None


def words(item: Dataset, keyword: str, *, little_endian: bool = True) -> NDArray[np.uint16] | None:
    """Return an element of 16-bit words, None where it is absent, empty or cannot be read.

    Its VR does not matter: the words are taken as they lie in the file. An odd last byte of a
    list of bytes becomes a word.
    """
    try:
        value = item.get(keyword)
        if isinstance(value, bytes):
            order = "<" if little_endian else ">"
            found = np.frombuffer(value + b"\0" * (len(value) % 2), f"{order}u2")
        else:
            found = np.atleast_1d(np.asarray(value if value is not None else [], np.int64))
    except Exception:
        return None
    return found.astype(np.uint16) if found.size else None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of an element, [None] where it cannot be read."""
    if keyword not in dataset:
        return []
    try:
        # As it lies in the file: pydicom gives no value at all where one of several is broken.
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
