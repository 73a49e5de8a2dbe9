"""The DICOM grayscale pipeline: stored values → rescale → VOI → display (PS3.4 section N.2).

Every step maps one value to one value, so the whole pipeline is computed once for the at most
65,536 possible pixel values and then applied by a single look-up, however large the image.

Display attributes are optional. If one is unusable, the next best replaces it, with a note;
the file is never rejected for it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml.errors import translatable
from ml.images import evidence, luts
from ml.images.elements import first_number, items, numbers, texts, unused_bits
from ml.images.luts import Values
from ml.images.types import GreyImage, StoredImage

MODALITY_LUT_EMPTY = translatable("The file's modality table (Modality LUT) is empty.")
MODALITY_LUT_UNUSABLE = translatable("The file's modality table (Modality LUT) cannot be used.")
RESCALE_UNUSABLE = translatable("The file's rescale slope or intercept cannot be used.")
RESCALE_TWICE = translatable("The file has several rescale slopes or intercepts; the first counts.")
VOI_LUT_UNUSABLE = translatable("The file's display table (VOI LUT) cannot be used.")
NEXT_VOI_LUT_SHOWN = translatable("The file's next display table is shown.")
VOI_FUNCTION_UNKNOWN = translatable(
    "The file's window function (VOI LUT Function) is not known; its window is applied as a"
    " linear one."
)
WINDOW_UNUSABLE = translatable("The file's window cannot be used.")
WINDOW_SHOWN = translatable("The file's window is shown instead.")
NEXT_WINDOW_SHOWN = translatable("The file's next window is shown.")
WHOLE_RANGE_SHOWN = translatable("The whole range of greys is shown.")
PADDING_UNUSABLE = translatable("The file's padding value (Pixel Padding Value) cannot be used.")

_MAPPING = (
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence"),
    *("WindowCenter", "WindowWidth", "PixelPaddingValue"),
)

Bounds = tuple[float, float]


@dataclass(frozen=True)
class _Voi:
    """Brightness, 0 to 1, of each possible value; `bounds` if given by a linear window."""

    shown: Values
    bounds: Bounds | None


@dataclass(frozen=True)
class _Pipeline:
    """The pixel transformation.

    `codes`: for each pixel the index of its value among the possible ones; `values`: these after
    the Modality LUT; `padding`: which of them are padding, not image.
    """

    codes: NDArray[Any]
    values: Values
    padding: NDArray[np.bool_] | None
    voi: _Voi
    bits: int
    is_inverted: bool
    notes: tuple[str, ...]


def render(stored: NDArray[Any], dataset: Dataset) -> GreyImage:
    """Turn the stored pixel values of a MONOCHROME1 or MONOCHROME2 image into what is shown.

    `stored`: rows × columns integers of 8 or 16 bits as decoded, unused bits in any state. The
    result has 8 bits where Bits Stored is at most 8, otherwise 16. With neither window nor VOI LUT,
    8-bit images are shown as they are, deeper ones from their darkest to their brightest pixel, as
    viewers do.
    """
    return _render(_pipeline(stored, dataset))


def keep(stored: NDArray[Any], dataset: Dataset) -> StoredImage:
    """Return the values of a MONOCHROME1 or MONOCHROME2 image as they are, with their window.

    `stored` as for `render`, whose result is returned where no window can express the pipeline.
    Padding takes the value that is shown black.
    """
    pipeline = _pipeline(stored, dataset)
    dtype, window = _dtype(pipeline.values), pipeline.voi.bounds
    if dtype is None or window is None:
        grey = _render(pipeline)
        return StoredImage(grey.pixels, 0, grey.max_value, notes=pipeline.notes)
    table = pipeline.values.astype(dtype)
    if pipeline.padding is not None:
        black = np.ceil(window[1]) if pipeline.is_inverted else np.floor(window[0])
        table[pipeline.padding] = np.clip(black, np.iinfo(dtype).min, np.iinfo(dtype).max)
    codes = pipeline.codes
    pixels = codes if _is_identity(table, codes) else table[codes]
    return StoredImage(
        np.ascontiguousarray(pixels),
        *window,
        is_inverted=pipeline.is_inverted,
        has_stored_values=True,
        notes=pipeline.notes,
    )


def is_plain(dataset: Dataset) -> bool:
    """Whether 8-bit values are shown as they are stored, at most inverted.

    Then it does not matter whether neighbouring pixels are averaged before or after.
    """
    return (
        (dataset.BitsAllocated, dataset.BitsStored) == (8, 8)
        and not dataset.get("PixelRepresentation", 0)
        and not any(keyword in dataset for keyword in _MAPPING)
    )


def _pipeline(stored: NDArray[Any], dataset: Dataset) -> _Pipeline:
    bits = int(dataset.BitsStored)
    signed = bool(dataset.get("PixelRepresentation", 0))
    notes: list[str] = []
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    unsigned = stored.view(f"u{stored.dtype.itemsize}")
    shift = unused_bits(dataset)
    if not shift and not signed and (negative := evidence.negative_bits(unsigned, bits)):
        signed, bits = True, negative
        notes.append(evidence.SIGN)
    if not shift and not signed and (used := evidence.used_bits(unsigned, bits)) > bits:
        bits = used
        notes.append(evidence.MORE_BITS)
    codes = _used(unsigned, bits, shift)
    if signed and not evidence.has_sign(codes, bits):
        signed = False
        notes.append(evidence.NO_SIGN)
    if signed:
        codes = codes ^ codes.dtype.type(2 ** (bits - 1))
    possible = np.arange(2**bits, dtype=np.float64) - (2 ** (bits - 1) if signed else 0)
    padding = _padding(dataset, possible, codes, notes)
    before = len(notes)
    values = _rescaled(possible, dataset, notes)
    voi = None if values is None else _voi(values, dataset, _span(codes, padding), notes)
    if values is None:
        values = possible
    if voi is None:
        voi = _whole_range(values, codes, padding, bits)
        if len(notes) > before:
            notes.append(WHOLE_RANGE_SHOWN)
    return _Pipeline(
        codes,
        values,
        padding,
        voi,
        bits,
        dataset.PhotometricInterpretation == "MONOCHROME1",
        tuple(notes),
    )


def _render(pipeline: _Pipeline) -> GreyImage:
    shown, codes = pipeline.voi.shown, pipeline.codes
    if pipeline.is_inverted:
        shown = 1 - shown
    if pipeline.padding is not None:
        shown = np.where(pipeline.padding, 0, shown)
    max_value: Literal[255, 65535] = 255 if pipeline.bits <= 8 else 65535
    dtype = np.dtype(np.uint8 if pipeline.bits <= 8 else np.uint16)
    table = (np.clip(shown, 0, 1) * max_value + 0.5).astype(dtype)
    if table.size == max_value + 1 and _is_identity(table, codes):
        return GreyImage(np.ascontiguousarray(codes), max_value)
    return GreyImage(table[codes], max_value)


def _used(codes: NDArray[Any], bits: int, shift: int) -> NDArray[Any]:
    """Return only the bits of the image."""
    if shift and not _are_at_the_bottom(codes, bits, shift):
        codes = codes >> codes.dtype.type(shift)
    if bits < codes.dtype.itemsize * 8:
        codes = codes & codes.dtype.type(2**bits - 1)
    return codes


def _are_at_the_bottom(codes: NDArray[Any], bits: int, shift: int) -> bool:
    """Whether the pixels are in the lowest bits contrary to High Bit.

    Then the bits above are empty, and the supposedly unused low bits are not.
    """
    used = int(np.bitwise_or.reduce(codes, axis=None))
    return used < 2**bits and bool(used % 2**shift)


def _padding(
    dataset: Dataset, possible: Values, codes: NDArray[Any], notes: list[str]
) -> NDArray[np.bool_] | None:
    """Return which stored values are Pixel Padding (PS3.3 C.7.5.1.1.2), not image.

    Padding that would leave nothing of the image is ignored.
    """
    values = numbers(dataset, "PixelPaddingValue")
    if not values:
        return None
    limits = numbers(dataset, "PixelPaddingRangeLimit")
    first, last = values[0], limits[0] if limits else values[0]
    if first is None or last is None:
        notes.append(PADDING_UNUSABLE)
        return None
    first, last = _in_range(first, possible), _in_range(last, possible)
    padding = (possible >= min(first, last)) & (possible <= max(first, last))
    if padding[int(codes.min()) : int(codes.max()) + 1].all():
        if codes.min() != codes.max():
            notes.append(PADDING_UNUSABLE)
        return None
    return padding


def _in_range(value: float, possible: Values) -> float:
    """Correct a stored value read as signed where the pixels are unsigned, or vice versa."""
    moved = [value + 2**16] if possible[0] == 0 else [value - 2**16, value - possible.size]
    is_impossible = not possible[0] <= value <= possible[-1]
    fitting = [each for each in moved if possible[0] <= each <= possible[-1]]
    return fitting[0] if is_impossible and fitting else value


def _span(codes: NDArray[Any], padding: NDArray[np.bool_] | None) -> slice:
    """Return the range of values of the image, excluding padding at its ends."""
    first, last = int(codes.min()), int(codes.max())
    if padding is not None:
        inside = np.flatnonzero(~padding[first : last + 1])
        first, last = first + int(inside[0]), first + int(inside[-1])
    return slice(first, last + 1)


def _shows_something(shown: Values, span: slice) -> bool:
    """Whether there is more than one grey; also true if the image has only one value."""
    part = shown[span]
    return part.size < 2 or bool(np.ptp(part) > 1e-6)


def _rescaled(values: Values, dataset: Dataset, notes: list[str]) -> Values | None:
    """Apply the Modality LUT module (PS3.3 C.11.1); None if what the file specifies is unusable.

    The units in which the file's windows are given are then unknown.
    """
    sequence = items(dataset, "ModalityLUTSequence")
    if sequence is None:
        notes.append(MODALITY_LUT_UNUSABLE)
        return None
    if sequence and not luts.is_empty(sequence[0]):
        lut = luts.read(sequence[0], little_endian=_is_little_endian(dataset))
        if lut is None:
            notes.append(MODALITY_LUT_UNUSABLE)
            return None
        return lut.apply(values)
    if sequence:
        notes.append(MODALITY_LUT_EMPTY)
    return _scaled(values, dataset, notes)


def _scaled(values: Values, dataset: Dataset, notes: list[str]) -> Values | None:
    slopes, intercepts = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    slope = first_number(dataset, "RescaleSlope") if slopes else 1.0
    intercept = first_number(dataset, "RescaleIntercept") if intercepts else 0.0
    if slope is None or intercept is None:
        notes.append(RESCALE_UNUSABLE)
        return None
    scaled: Values = values * slope + intercept
    if not np.diff(scaled).all():  # a slope of zero, or nearly zero
        notes.append(RESCALE_UNUSABLE)
        return None
    if len(slopes) > 1 or len(intercepts) > 1:
        notes.append(RESCALE_TWICE)
    return scaled


def _voi(values: Values, dataset: Dataset, span: slice, notes: list[str]) -> _Voi | None:
    """Return the first VOI LUT or window (PS3.3 C.11.2) that can be used; None without one.

    One that shows all values in `span` black or white is unusable.
    """
    sequence = items(dataset, "VOILUTSequence")
    for number, item in enumerate(sequence or ()):
        lut = luts.read(item, little_endian=_is_little_endian(dataset))
        shown = None if lut is None else lut.apply(values) / lut.full_scale
        if shown is not None and _shows_something(shown, span):
            notes += [VOI_LUT_UNUSABLE, NEXT_VOI_LUT_SHOWN] if number else []
            return _Voi(shown, None)
    if sequence == []:
        return _window(values, dataset, span, notes)
    notes.append(VOI_LUT_UNUSABLE)
    window = _window(values, dataset, span, notes)
    if window is not None:
        notes.append(WINDOW_SHOWN)
    return window


def _window(values: Values, dataset: Dataset, span: slice, notes: list[str]) -> _Voi | None:
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not centers and not widths:
        return None
    function = next(iter(texts(dataset, "VOILUTFunction")), "LINEAR")
    for number, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if center is None or width is None or width <= 0:
            continue
        if function not in ("LINEAR_EXACT", "SIGMOID") and width < 1:
            continue
        windowed = _windowed(values, center, width, function)
        if not _shows_something(windowed.shown, span):
            continue
        if number:
            notes += [WINDOW_UNUSABLE, NEXT_WINDOW_SHOWN]
        if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            notes.append(VOI_FUNCTION_UNKNOWN)
        return windowed
    notes.append(WINDOW_UNUSABLE)
    return None


def _windowed(values: Values, center: float, width: float, function: str) -> _Voi:
    """Apply a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return _Voi(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))), None)
    if function == "LINEAR_EXACT":
        shown = np.clip((values - center) / width + 0.5, 0, 1)
        return _Voi(shown, (center - width / 2, center + width / 2))
    # The narrowest window is a threshold.
    half = max(width - 1, 0.01) / 2
    bounds = (center - 0.5 - half, center - 0.5 + half)
    if width == 1:
        return _Voi((values > center - 0.5).astype(np.float64), bounds)
    return _Voi(np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1), bounds)


def _whole_range(
    values: Values, codes: NDArray[Any], padding: NDArray[np.bool_] | None, bits: int
) -> _Voi:
    low, high = _used_range(values, codes, padding, bits)
    return _Voi(np.clip((values - low) / ((high - low) or 1), 0, 1), (low, high))


def _used_range(
    values: Values, codes: NDArray[Any], padding: NDArray[np.bool_] | None, bits: int
) -> Bounds:
    """Return the smallest and largest value to show: possible with 8 bits, present with more."""
    if bits <= 8:
        return float(values.min()), float(values.max())
    image = codes if padding is None else codes[~padding[codes]]
    if image.size == 0:
        return float(values.max()), float(values.max())
    used = values[int(image.min()) : int(image.max()) + 1]
    return float(used.min()), float(used.max())


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


def _is_little_endian(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False
