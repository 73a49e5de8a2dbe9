"""Display shutter of a DICOM file (PS3.3 C.7.6.11): what lies outside it is not to be shown.

It hides the unexposed border of a radiograph, which dazzles. It is laid over the image for people,
who can lift it; no model ever gets it, and no stored pixel is changed.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from ml.images.elements import numbers, texts
from ml.images.types import Shutter

_EDGES = (
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
)
_SHAPES = ("RECTANGULAR", "CIRCULAR", "POLYGONAL")
_MOST_VERTICES = 1000
# What a shutter shows is measured at so many places along each side of the image.
_PLACES = 64
_LEAST_SHOWN = 0.01


class UnusableError(ValueError):
    """A shutter that cannot be applied as the file gives it."""


def is_present(dataset: FileDataset) -> bool:
    """Whether the file has a shutter, usable or not."""
    return bool(texts(dataset, "ShutterShape"))


def read(dataset: FileDataset) -> Shutter | None:
    """Return the shutter; None if the file has none, or one that cannot be used as a whole.

    One without any shape hides nothing. Where several shapes are given, only what lies within all
    of them is shown. One that would hide the image, or all but a hundredth of it, is none that can
    be used. Never raises.
    """
    shapes = texts(dataset, "ShutterShape")
    if not shapes or any(shape not in _SHAPES for shape in shapes):
        return None
    try:
        rectangle = _rectangle(dataset) if "RECTANGULAR" in shapes else None
        hides_nothing = rectangle == (0, dataset.Columns, 0, dataset.Rows)
        shutter = Shutter(
            rectangle=None if hides_nothing else rectangle,
            circle=_circle(dataset) if "CIRCULAR" in shapes else None,
            polygon=_polygon(dataset) if "POLYGONAL" in shapes else None,
        )
    except UnusableError:
        return None
    return shutter if _shown(shutter, dataset.Columns, dataset.Rows) >= _LEAST_SHOWN else None


def _shown(shutter: Shutter, columns: int, rows: int) -> float:
    """Which share of the image lies within all shapes."""
    x = (np.arange(_PLACES) + 0.5) * columns / _PLACES
    y = (np.arange(_PLACES)[:, np.newaxis] + 0.5) * rows / _PLACES
    shown = np.ones((_PLACES, _PLACES), bool)
    if shutter.rectangle is not None:
        left, right, upper, lower = shutter.rectangle
        shown &= (left <= x) & (x <= right) & (upper <= y) & (y <= lower)
    if shutter.circle is not None:
        column, row, radius = shutter.circle
        shown &= np.hypot(x - column, y - row) <= radius
    if shutter.polygon is not None:
        shown &= _within(shutter.polygon, x, y)
    return float(shown.mean())


def _within(
    polygon: tuple[tuple[float, float], ...], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which places lie within a polygon: a line from there leaves it once more than it enters."""
    within = np.zeros((y.size, x.size), bool)
    for (x0, y0), (x1, y1) in pairwise((*polygon, polygon[0])):
        if y0 != y1:
            is_level = (y0 > y) != (y1 > y)
            within ^= is_level & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return within


def _rectangle(dataset: FileDataset) -> tuple[float, float, float, float]:
    """Left, right, upper and lower edge; the edges' own pixels are shown."""
    left, right, upper, lower = (_one(dataset, keyword) for keyword in _EDGES)
    return (
        max(0.0, left - 1),
        min(float(dataset.Columns), right),
        max(0.0, upper - 1),
        min(float(dataset.Rows), lower),
    )


def _circle(dataset: FileDataset) -> tuple[float, float, float]:
    """Column and row of the centre, and the radius in pixels along a row."""
    row, column = _several(dataset, "CenterOfCircularShutter", 2)
    radius = _one(dataset, "RadiusOfCircularShutter")
    if radius <= 0:
        raise UnusableError
    return column - 0.5, row - 0.5, radius


def _polygon(dataset: FileDataset) -> tuple[tuple[float, float], ...]:
    """Column and row of each vertex."""
    given = numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(given) % 2 or not 6 <= len(given) <= 2 * _MOST_VERTICES or None in given:
        raise UnusableError
    places = [value - 0.5 for value in given if value is not None]
    return tuple(zip(places[1::2], places[::2], strict=True))


def _one(dataset: FileDataset, keyword: str) -> float:
    return _several(dataset, keyword, 1)[0]


def _several(dataset: FileDataset, keyword: str, count: int) -> list[float]:
    found = [value for value in numbers(dataset, keyword) if value is not None]
    if len(found) != count:
        raise UnusableError
    return found
