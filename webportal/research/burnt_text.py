"""Looks for writing in the pixels of a radiograph, without reading it.

Text that a device burns into an image differs from anatomy in three ways: its strokes are thin,
they end within a few pixels, and they stand in a row, alike in height, thickness and grey. We look
for rows of at least three clusters of strokes, as letters and digits form, in four directions and
several sizes. A single letter that marks the side does not count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

#: Images are searched at these reductions, so that letters of 7 to 256 pixels are found.
_SCALES = (1, 2, 4)
_HEIGHTS = (7, 64)
#: Strokes are thinner than this many pixels of a reduction.
_THICKEST = 11
#: The contrast of strokes, as a share of the image's range of greys.
_CONTRASTS = (0.12, 0.3)
#: The steepness of their edges: the difference in grey over three pixels.
_STEEPNESS = 0.15
#: The fewest letters of a row, and the fewest strokes that a line through the row crosses.
_LETTERS, _STROKES = 3, 4
#: The strokes of a word whose letters are joined, as in Devanagari.
_JOINED_STROKES, _JOINED_WIDTH = 7, 2.5


@dataclass(frozen=True)
class _Shapes:
    """Connected high-contrast pixels, from left to right; each array has one entry per shape."""

    left: Numbers
    right: Numbers
    top: Numbers
    bottom: Numbers
    area: Numbers
    thickness: Numbers
    grey: Numbers
    contrast: Numbers
    steepness: Numbers
    strokes: Numbers

    def among(self, chosen: Numbers) -> "_Shapes":
        """The shapes that a mask or indices select."""
        return _Shapes(**{name: values[chosen] for name, values in vars(self).items()})

    @property
    def height(self) -> Numbers:
        return self.bottom - self.top

    @property
    def width(self) -> Numbers:
        return self.right - self.left


def has_text(pixels: Numbers) -> bool:
    """Whether an image (rows × columns, or × samples) seems to contain text."""
    return any(True for _ in _rows_of_letters(pixels))


def _rows_of_letters(pixels: Numbers) -> Iterator[_Shapes]:
    greys = _comparable(pixels)
    for scale in _SCALES:
        reduced = _reduced(greys, scale)
        if min(reduced.shape) < _HEIGHTS[0]:
            return
        for turned in (reduced, np.ascontiguousarray(reduced.T)):
            for picture in (turned, -turned):
                standing_out = picture - _without_thin(picture)
                for contrast in _CONTRASTS:
                    yield from _rows_in(picture, standing_out, contrast)


def _comparable(pixels: Numbers) -> Numbers:
    """The greys as shares of most of their range, whatever the bit depth."""
    greys = pixels.astype(np.float32)
    if greys.ndim == 3:
        greys = greys.mean(axis=2)
    low, high = np.percentile(greys[::3, ::3], (1, 99))
    comparable: Numbers = np.clip((greys - low) / max(high - low, 1), -0.5, 1.5)
    return comparable


def _reduced(greys: Numbers, factor: int) -> Numbers:
    rows, columns = (size // factor for size in greys.shape)
    blocks = greys[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    reduced: Numbers = blocks.mean(axis=(1, 3))
    return reduced


def _without_thin(picture: Numbers) -> Numbers:
    """The image without bright, thin structures (a morphological opening)."""
    for choose in (np.minimum, np.maximum):
        for _ in range(2):
            picture = np.ascontiguousarray(_of_neighbours(picture, choose).T)
    return picture


def _of_neighbours(picture: Numbers, choose: Callable[..., Numbers]) -> Numbers:
    """The minimum or maximum of each pixel and its neighbours in the row."""
    reach = _THICKEST // 2
    values = np.pad(picture, ((0, 0), (reach, reach)), mode="edge")
    span = 1
    while span < _THICKEST:
        step = min(span, _THICKEST - span)
        values = choose(values[:, :-step], values[:, step:])
        span += step
    return values


def _rows_in(picture: Numbers, standing_out: Numbers, contrast: float) -> Iterator[_Shapes]:
    shapes = _shapes(standing_out > contrast, picture, standing_out)
    shapes = shapes.among(
        (shapes.height >= _HEIGHTS[0])
        & (shapes.height <= _HEIGHTS[1])
        & (shapes.thickness <= 0.35 * shapes.height)
        & (shapes.steepness >= _STEEPNESS)
    )
    groups = _neighbours_alike(shapes)
    for group in np.unique(groups):
        row = shapes.among(groups == group)
        if _is_writing(row):
            yield row


def _is_writing(row: _Shapes) -> bool:
    height = float(np.median(row.height))
    width, strokes = row.right.max() - row.left.min(), row.strokes.sum()
    if len(row.left) >= _LETTERS:
        return bool(width >= 1.6 * height and strokes >= _STROKES)
    return bool(width >= _JOINED_WIDTH * height and strokes >= _JOINED_STROKES)


def _neighbours_alike(shapes: _Shapes) -> Numbers:
    """A group number for each shape: similar neighbours belong to the same group."""
    count, height = len(shapes.left), shapes.height
    first = np.arange(count) + 1
    last = np.searchsorted(shapes.left, shapes.right + height, side="right")
    one, other = _pairs(first, last)
    lower, higher = np.minimum(height[one], height[other]), np.maximum(height[one], height[other])
    gap = shapes.left[other] - shapes.right[one]
    feet = np.abs(shapes.bottom[other] - shapes.bottom[one])
    middles = np.abs(
        shapes.bottom[other] + shapes.top[other] - shapes.bottom[one] - shapes.top[one]
    )
    thin, thick = (
        choose(shapes.thickness[one], shapes.thickness[other])
        for choose in (np.minimum, np.maximum)
    )
    faint = np.minimum(shapes.contrast[one], shapes.contrast[other])
    alike = (
        (higher <= 1.8 * lower)
        & (gap <= 0.9 * lower)
        & (gap >= -0.5 * lower)
        & (np.minimum(feet, middles / 2) <= 0.2 * higher)
        & (thick <= 1.7 * thin)
        & (np.abs(shapes.grey[one] - shapes.grey[other]) <= 0.4 * faint)
    )
    return _connected(count, one[alike], other[alike])


def _pairs(first: Numbers, last: Numbers) -> tuple[Numbers, Numbers]:
    """Each index paired with every one from its `first` up to, but not including, its `last`."""
    number = np.maximum(last - first, 0)
    one = np.repeat(np.arange(len(first)), number)
    place = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return one, place + np.repeat(first, number)


def _connected(count: int, one: Numbers, other: Numbers) -> Numbers:
    """The group number of each of `count` items; pairs belong to the same group."""
    group = np.arange(count)
    while True:
        joined = group.copy()
        least = np.minimum(group[one], group[other])
        np.minimum.at(joined, group[one], least)
        np.minimum.at(joined, group[other], least)
        joined = joined[joined[joined]]
        if np.array_equal(joined, group):
            return np.asarray(np.unique(group, return_inverse=True)[1])
        group = joined


def _shapes(mask: Numbers, picture: Numbers, standing_out: Numbers) -> _Shapes:
    """The connected components of a mask, from the runs of pixels in its rows."""
    columns = mask.shape[1]
    changes = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(changes == 1)
    end = np.nonzero(changes == -1)[1]
    # Runs of the next row that touch a run, even at a corner.
    place = row * (columns + 2)
    below = place + columns + 2
    first = np.searchsorted(place + end, below + start, side="left")
    last = np.searchsorted(place + start, below + end, side="right")
    upper, lower = _pairs(first, last)
    group = _connected(len(row), upper, lower)
    count = int(group.max(initial=-1)) + 1

    def total(values: Numbers) -> Numbers:
        return np.bincount(group, values, count)

    def outermost(values: Numbers, choose: np.ufunc, beyond: int) -> Numbers:
        found = np.full(count, beyond)
        choose.at(found, group, values)
        return found

    def mean(values: Numbers) -> Numbers:
        sums = np.pad(np.cumsum(values, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
        return total(sums[row, end] - sums[row, start]) / area

    def grey_at(column: Numbers) -> Numbers:
        greys: Numbers = picture[row, np.clip(column, 0, columns - 1)]
        return greys

    area = total(end - start)
    overlap = np.minimum(end[upper], end[lower]) - np.maximum(start[upper], start[lower])
    shared = np.bincount(group[upper], np.maximum(overlap, 0), count)
    runs = np.bincount(group, minlength=count)
    rise = grey_at(start + 1) - grey_at(start - 2) + grey_at(end - 2) - grey_at(end + 1)
    top, bottom = outermost(row, np.minimum, len(mask)), outermost(row, np.maximum, -1) + 1
    found = _Shapes(
        left=outermost(start, np.minimum, columns),
        right=outermost(end, np.maximum, 0),
        top=top,
        bottom=bottom,
        area=area,
        thickness=area / (runs + area - shared),
        grey=mean(picture),
        contrast=mean(standing_out),
        steepness=total(rise / 2) / np.maximum(runs, 1),
        strokes=runs / np.maximum(bottom - top, 1),
    )
    return found.among(np.argsort(found.left, kind="stable"))
