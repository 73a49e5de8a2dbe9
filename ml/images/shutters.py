"""Display shutter of a DICOM file (PS3.3 C.7.6.11): what lies outside it is not to be shown.

It hides the unexposed border of a radiograph, which dazzles. It is laid over the image for people,
who can lift it; no model ever gets it, and no stored pixel is changed.
"""

import math

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


class UnusableError(ValueError):
    """A shutter that cannot be applied as the file gives it."""


def is_present(dataset: FileDataset) -> bool:
    """Whether the file has a shutter, usable or not."""
    return bool(texts(dataset, "ShutterShape"))


def read(dataset: FileDataset) -> Shutter | None:
    """Return the shutter; None if the file has none, or one that cannot be used as a whole.

    One without any shape hides nothing. Where several shapes are given, only what lies within all
    of them is shown. Never raises.
    """
    shapes = texts(dataset, "ShutterShape")
    if not shapes or any(shape not in _SHAPES for shape in shapes):
        return None
    try:
        rectangle = _rectangle(dataset) if "RECTANGULAR" in shapes else None
        hides_nothing = rectangle == (0, dataset.Columns, 0, dataset.Rows)
        return Shutter(
            rectangle=None if hides_nothing else rectangle,
            circle=_circle(dataset) if "CIRCULAR" in shapes else None,
            polygon=_polygon(dataset) if "POLYGONAL" in shapes else None,
        )
    except UnusableError:
        return None


def _rectangle(dataset: FileDataset) -> tuple[float, float, float, float]:
    """Left, right, upper and lower edge; the edges' own pixels are shown."""
    left, right, upper, lower = (_one(dataset, keyword) for keyword in _EDGES)
    edges = (
        max(0.0, left - 1),
        min(float(dataset.Columns), right),
        max(0.0, upper - 1),
        min(float(dataset.Rows), lower),
    )
    if edges[0] >= edges[1] or edges[2] >= edges[3]:
        raise UnusableError
    return edges


def _circle(dataset: FileDataset) -> tuple[float, float, float]:
    """Column and row of the centre, and the radius in pixels along a row."""
    row, column = _several(dataset, "CenterOfCircularShutter", 2)
    radius = _one(dataset, "RadiusOfCircularShutter")
    if radius <= 0:
        raise UnusableError
    nearest = (
        column - min(max(column, 1.0), float(dataset.Columns)),
        row - min(max(row, 1.0), float(dataset.Rows)),
    )
    if math.hypot(*nearest) >= radius:
        raise UnusableError
    return column - 0.5, row - 0.5, radius


def _polygon(dataset: FileDataset) -> tuple[tuple[float, float], ...]:
    """Column and row of each vertex."""
    given = numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(given) % 2 or not 6 <= len(given) <= 2 * _MOST_VERTICES or None in given:
        raise UnusableError
    places = [value - 0.5 for value in given if value is not None]
    vertices = tuple(zip(places[1::2], places[::2], strict=True))
    columns, rows = [x for x, _ in vertices], [y for _, y in vertices]
    is_beside = max(columns) <= 0 or min(columns) >= float(dataset.Columns)
    if is_beside or max(rows) <= 0 or min(rows) >= float(dataset.Rows) or not _area(vertices):
        raise UnusableError
    return vertices


def _area(vertices: tuple[tuple[float, float], ...]) -> float:
    following = (*vertices[1:], vertices[0])
    return abs(sum(x * b - a * y for (x, y), (a, b) in zip(vertices, following, strict=True))) / 2


def _one(dataset: FileDataset, keyword: str) -> float:
    return _several(dataset, keyword, 1)[0]


def _several(dataset: FileDataset, keyword: str, count: int) -> list[float]:
    found = [value for value in numbers(dataset, keyword) if value is not None]
    if len(found) != count:
        raise UnusableError
    return found
