"""Regions of an image as structured reports contain them (SCOORD, PS3.3 C.18.6).

Coordinates are columns and rows from the upper left corner of the upper left pixel, whose middle
is at 0.5, 0.5.
"""

import numpy as np
from highdicom.sr import ImageRegion, SourceImageForRegion
from pydicom.dataset import Dataset

from webportal.delivery.documents.hottest import Rectangle
from webportal.review.reads.marks import Mark


def of_rectangle(rectangle: Rectangle, source: Dataset) -> ImageRegion:
    """Return a rectangle as a closed polyline on an image."""
    corners = [
        (rectangle.left, rectangle.top),
        (rectangle.right, rectangle.top),
        (rectangle.right, rectangle.bottom),
        (rectangle.left, rectangle.bottom),
        (rectangle.left, rectangle.top),
    ]
    return _region("POLYLINE", corners, source)


def of_mark(mark: Mark, source: Dataset) -> ImageRegion:
    """Return a reader's mark: the middle of a pixel, or a rectangle."""
    if mark.is_point:
        return _region("POINT", [(mark.column + 0.5, mark.row + 0.5)], source)
    right, bottom = mark.column + mark.width, mark.row + mark.height
    return of_rectangle(Rectangle(mark.column, mark.row, right, bottom), source)


def _region(kind: str, points: list[tuple[float, float]], source: Dataset) -> ImageRegion:
    image = SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
    return ImageRegion(kind, np.array(points), image)
