"""The DICOM grayscale pipeline: stored values → rescale → VOI → what is shown (PS3.4 section N.2).

Every step maps one value to one value, so the whole pipeline is worked out once for the at most
65,536 values that a pixel can have and then applied by a single look-up, however large the image.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml.images.types import GreyImage, StoredImage

Values = NDArray[np.float64]


def render(stored: NDArray[Any], dataset: Dataset) -> GreyImage:
    """Turn the stored pixel values of a MONOCHROME1 or MONOCHROME2 image into what is shown.

    `stored`: rows × columns integers of 8 or 16 bits as decoded, unused bits in any state. The
    result has 8 bits where Bits Stored is at most 8, otherwise 16. With neither window nor VOI LUT,
    8-bit images are shown as they are, deeper ones from their darkest to their brightest pixel, as
    viewers do.
    """
    bits = int(dataset.BitsStored)
    signed = bool(dataset.get("PixelRepresentation", 0))
    codes = _codes(stored, bits, signed)
    values = np.arange(2**bits, dtype=np.float64) - (2 ** (bits - 1) if signed else 0)
    padding = _padding(dataset, values)

    values = _rescale(values, dataset)
    shown = _voi(values, dataset)
    if shown is None:
        shown = _full_range(values, codes, padding, bits)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    if padding is not None:
        shown[padding] = 0

    max_value: Literal[255, 65535] = 255 if bits <= 8 else 65535
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    table = (np.clip(shown, 0, 1) * max_value + 0.5).astype(dtype)
    if (
        codes.dtype == dtype
        and table.size == max_value + 1
        and np.array_equal(table, np.arange(table.size))
    ):
        return GreyImage(np.ascontiguousarray(codes), max_value)
    return GreyImage(table[codes], max_value)


def keep(stored: NDArray[Any], dataset: Dataset) -> StoredImage:
    """Return the values of a MONOCHROME1 or MONOCHROME2 image as they are, with their window.

    `stored` as for `render`, whose result it gives where no window can express what that does.
    Padding takes the value that is shown black.
    """
    bits = int(dataset.BitsStored)
    signed = bool(dataset.get("PixelRepresentation", 0))
    codes = _codes(stored, bits, signed)
    possible = np.arange(2**bits, dtype=np.float64) - (2 ** (bits - 1) if signed else 0)
    padding = _padding(dataset, possible)
    values = _rescale(possible, dataset)
    dtype = _dtype(values)
    if dtype is None or not _is_windowed(dataset):
        grey = render(stored, dataset)
        return StoredImage(grey.pixels, 0, grey.max_value)
    window = _window(dataset) or _used_range(values, codes, padding, bits)
    is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    table = values.astype(dtype)
    if padding is not None:
        black = np.ceil(window[1]) if is_inverted else np.floor(window[0])
        table[padding] = np.clip(black, np.iinfo(dtype).min, np.iinfo(dtype).max)
    pixels = codes if _is_identity(table, codes) else table[codes]
    return StoredImage(np.ascontiguousarray(pixels), *window, is_inverted, has_stored_values=True)


def _dtype(values: Values) -> "np.dtype[Any] | None":
    """The smallest integer type that holds all values, None when none of 16 bits does."""
    if not np.array_equal(values, np.rint(values)):
        return None
    for kind in (np.uint8, np.uint16, np.int16):
        if np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max:
            return np.dtype(kind)
    return None


def _is_identity(table: NDArray[Any], codes: NDArray[Any]) -> bool:
    return table.dtype == codes.dtype and np.array_equal(table, np.arange(table.size))


def _is_windowed(dataset: Dataset) -> bool:
    """Whether the first VOI transformation is a linear window, or there is none at all."""
    sequence = dataset.get("VOILUTSequence")
    if sequence and sequence[0].get("LUTData"):
        return False
    return str(dataset.get("VOILUTFunction") or "LINEAR").upper() != "SIGMOID"


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """Return the values that the first linear window shows black and white (PS3.3 C.11.2.1.2)."""
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None:
        return None
    if str(dataset.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR_EXACT" and width > 0:
        return center - width / 2, center + width / 2
    if width < 1:
        return None
    # The narrowest window of all is a threshold, which has no two values between.
    half = max(width - 1, 0.01) / 2
    return center - 0.5 - half, center - 0.5 + half


def _codes(stored: NDArray[Any], bits: int, signed: bool) -> NDArray[Any]:
    """Return the position of each stored value in the ascending list of possible values."""
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    codes = stored.view(f"u{stored.dtype.itemsize}")
    if bits < codes.dtype.itemsize * 8:
        codes = codes & codes.dtype.type(2**bits - 1)
    if signed:
        codes = codes ^ codes.dtype.type(2 ** (bits - 1))
    return codes


def _padding(dataset: Dataset, values: Values) -> NDArray[np.bool_] | None:
    """Return which stored values are Pixel Padding (PS3.3 C.7.5.1.1.2), not image."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return None
    last = dataset.get("PixelPaddingRangeLimit")
    if last is None:
        last = first
    low, high = float(min(first, last)), float(max(first, last))
    return (values >= low) & (values <= high)


def _rescale(values: Values, dataset: Dataset) -> Values:
    """Apply the Modality LUT module (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        return _look_up(values, dataset.ModalityLUTSequence[0], dataset)[0]
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if not slope or intercept is None:
        return values
    return values * float(slope) + float(intercept)


def _voi(values: Values, dataset: Dataset) -> Values | None:
    """Apply the first VOI LUT or window (PS3.3 C.11.2): values between 0 and 1; None without."""
    sequence = dataset.get("VOILUTSequence")
    if sequence and sequence[0].get("LUTData"):
        looked_up, largest = _look_up(values, sequence[0], dataset)
        return looked_up / largest
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None:
        return None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID" and width > 0:
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width < 1:
        return None
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _full_range(
    values: Values, codes: NDArray[Any], padding: NDArray[np.bool_] | None, bits: int
) -> Values:
    low, high = _used_range(values, codes, padding, bits)
    full: Values = np.clip((values - low) / ((high - low) or 1), 0, 1)
    return full


def _used_range(
    values: Values, codes: NDArray[Any], padding: NDArray[np.bool_] | None, bits: int
) -> tuple[float, float]:
    """Return the least and the greatest value to show: possible with 8 bits, present with more."""
    if bits <= 8:
        return float(values.min()), float(values.max())
    image = codes if padding is None else codes[~padding[codes]]
    if image.size == 0:
        return float(values.max()), float(values.max())
    used = values[int(image.min()) : int(image.max()) + 1]
    return float(used.min()), float(used.max())


def _look_up(values: Values, item: Dataset, dataset: Dataset) -> tuple[Values, int]:
    """Map values through a LUT item (PS3.3 C.11.1.1.1); also return its largest possible entry."""
    entries, first, depth = (int(number) for number in item.LUTDescriptor)
    entries = entries or 65536
    if first >= 32768 and values.min() < 0:  # a signed first value read as unsigned
        first -= 65536
    raw = item.LUTData
    if isinstance(raw, bytes):
        order = "<" if dataset.original_encoding[1] else ">"
        table = np.frombuffer(raw, "u1" if depth <= 8 and len(raw) < 2 * entries else f"{order}u2")
    else:
        table = np.asarray(raw, dtype=np.uint16)
    table = table[:entries]
    index = np.clip(np.rint(values) - first, 0, table.size - 1).astype(np.intp)
    return table[index].astype(np.float64), 2**depth - 1


def _first(value: Any) -> float | None:
    """Return the first of one or several values of a DS element."""
    if value is None or value == "":
        return None
    if isinstance(value, (str, float, int)):
        return float(value)
    return float(value[0]) if len(value) else None
