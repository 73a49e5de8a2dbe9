"""The hottest region of a heat map, as a rectangle on the image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webportal.inference.models import Prediction
from webportal.records.choices import Category
from webportal.review.study.rendering import CLEAR_BELOW

_OF_PEAK = 0.5


@dataclass(frozen=True)
class Rectangle:
    """Its edges in stored image pixels: boundaries between pixels, counted from 0."""

    left: float
    top: float
    right: float
    bottom: float


def region_to_send(prediction: Prediction) -> Rectangle | None:
    """The hottest region, which a result that is unlikely does not have."""
    return None if prediction.shown_category == Category.UNLIKELY else hottest_region(prediction)


def hottest_region(prediction: Prediction) -> Rectangle | None:
    """Return the box around the hottest cell and the connected cells of at least half its value.

    None if there is no heat map, or the study page would show nothing of it.
    """
    rows, columns = prediction.heatmap_rows, prediction.heatmap_columns
    if not rows or not columns:
        return None
    cells = np.frombuffer(bytes(prediction.heatmap), np.uint8).reshape(rows, columns)
    peak = cells.max()
    if peak < CLEAR_BELOW * 255:
        return None
    region = _connected(cells >= peak * _OF_PEAK, divmod(int(cells.argmax()), columns))
    down, across = np.nonzero(region)
    height = prediction.radiograph.rows / rows
    width = prediction.radiograph.columns / columns
    return Rectangle(
        left=float(across.min() * width),
        top=float(down.min() * height),
        right=float((across.max() + 1) * width),
        bottom=float((down.max() + 1) * height),
    )


def _connected(hot: NDArray[np.bool_], start: tuple[int, int]) -> NDArray[np.bool_]:
    """The hot cells connected to `start` by their edges."""
    found = np.zeros_like(hot)
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        inside = 0 <= row < hot.shape[0] and 0 <= column < hot.shape[1]
        if not inside or found[row, column] or not hot[row, column]:
            continue
        found[row, column] = True
        waiting += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return found
