"""Measurements on an image that a reader keeps with the read: lengths, angles and areas.

Points are in pixels of the stored image, counted from 0 at its upper left corner, so that a
measurement stays in place however the image is zoomed, rotated or flipped. The value is computed
from the points and the pixel spacing in the stored file; it is never taken from a browser.
"""

import math
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ml import images
from webportal.records.files import read_dicom
from webportal.records.models import Radiograph, Study
from webportal.review.reads.marks import image_sizes

MOST_MEASUREMENTS = 50
# A hundredth of a pixel is far finer than any pointer, and survives JSON unchanged.
_DECIMALS = 2
_GREATEST = 100_000

Point = tuple[float, float]


class MeasurementKind(models.TextChoices):
    """What was measured. Areas lie in the box between two opposite corners."""

    LENGTH = "length", gettext_lazy("Length")
    ANGLE = "angle", gettext_lazy("Angle")
    RECTANGLE = "rectangle", gettext_lazy("Rectangle")
    ELLIPSE = "ellipse", gettext_lazy("Ellipse")


# How many points each kind has.
POINTS: dict[str, int] = {
    MeasurementKind.LENGTH: 2,
    MeasurementKind.ANGLE: 3,
    MeasurementKind.RECTANGLE: 2,
    MeasurementKind.ELLIPSE: 2,
}


class Unit(models.TextChoices):
    """Units of values; pixels if the file gives no pixel spacing."""

    MILLIMETRE = "mm", gettext_lazy("mm")
    PIXEL = "px", gettext_lazy("px")
    SQUARE_MILLIMETRE = "mm2", gettext_lazy("mm²")
    SQUARE_PIXEL = "px2", gettext_lazy("px²")
    DEGREE = "deg", gettext_lazy("°")


@dataclass(frozen=True)
class Measurement:
    """What a reader drew: points as (column, row); the middle one of an angle is its vertex."""

    radiograph: uuid.UUID
    kind: str
    points: tuple[Point, ...]

    def as_json(self) -> dict[str, Any]:
        """The measurement without its value."""
        points = [list(point) for point in self.points]
        return {"radiograph": str(self.radiograph), "kind": self.kind, "points": points}


@dataclass(frozen=True)
class Value:
    """A measured value. `at_detector`: length at the detector, greater than in the patient."""

    value: float
    unit: str
    at_detector: bool = False

    def as_json(self) -> dict[str, Any]:
        """The value as stored beside the points."""
        return {"value": self.value, "unit": self.unit, "at_detector": self.at_detector}


def parse_measurements(given: object) -> tuple[Measurement, ...]:
    """Parse a list as written by `Measurement.as_json`; raises ValueError for anything else."""
    if not isinstance(given, list):
        raise ValueError("measurements are a list")
    return tuple(_parse(each) for each in given)


def _parse(given: object) -> Measurement:
    if not isinstance(given, dict) or not isinstance(given.get("points"), list):
        raise ValueError("a measurement is an object with points")
    points = tuple(_parse_point(point) for point in given["points"])
    return Measurement(uuid.UUID(str(given.get("radiograph"))), str(given.get("kind")), points)


def _parse_point(given: object) -> Point:
    if not isinstance(given, list) or len(given) != 2:
        raise ValueError("a point has a column and a row")
    column, row = given
    for number in (column, row):
        # Also rejects NaN.
        if type(number) not in (int, float) or not 0 <= number <= _GREATEST:
            raise ValueError("a point is in pixels of an image")
    return round(float(column), _DECIMALS), round(float(row), _DECIMALS)


def why_refused(study: Study, measurements: Collection[Measurement]) -> str:
    """Why measurements on the images of a study are invalid, as text; '' if they are valid."""
    if not measurements:
        return ""
    if len(measurements) > MOST_MEASUREMENTS:
        return _("A read holds at most {most} measurements.").format(most=MOST_MEASUREMENTS)
    sizes = image_sizes(study)
    for each in measurements:
        if len(each.points) != POINTS.get(each.kind):
            return _("A measurement is not one of those known.")
        if each.radiograph not in sizes:
            return _("A measurement is on an image that does not belong to this study.")
        columns, rows = sizes[each.radiograph]
        if not all(0 <= column <= columns and 0 <= row <= rows for column, row in each.points):
            return _(
                "A measurement lies outside its image, which has {columns} columns and {rows} rows."
            ).format(columns=columns, rows=rows)
    return ""


def measured(
    study: Study,
    measurements: Sequence[Measurement],
    known: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Each measurement with its value, as a read stores them; `known` has those computed before.

    Raises StoredFileError or ImageError when the file of an image cannot be read.
    """
    values = {_parse(dict(each)): dict(each) for each in known}
    shapes: dict[uuid.UUID, images.PixelShape] = {}
    for each in measurements:
        if each not in values and each.radiograph not in shapes:
            radiograph = Radiograph.objects.get(pk=each.radiograph, study=study)
            shapes[each.radiograph] = images.pixel_shape(read_dicom(radiograph))
    return [
        values.get(each) or each.as_json() | value_of(each, shapes[each.radiograph]).as_json()
        for each in measurements
    ]


def value_of(measurement: Measurement, shape: images.PixelShape) -> Value:
    """Compute the value: in millimetres if the file gives the pixel spacing, else in pixels."""
    height, width = shape.spacing or (shape.aspect, 1.0)
    places = [(column * width, row * height) for column, row in measurement.points]
    if measurement.kind == MeasurementKind.ANGLE:
        return Value(round(_angle(*places), _DECIMALS), Unit.DEGREE)
    (left, top), (right, bottom) = places
    across, down = abs(right - left), abs(bottom - top)
    at_detector = shape.spacing is not None and not shape.is_calibrated
    if measurement.kind == MeasurementKind.LENGTH:
        unit = Unit.MILLIMETRE if shape.spacing else Unit.PIXEL
        return Value(round(math.hypot(across, down), _DECIMALS), unit, at_detector)
    share = math.pi / 4 if measurement.kind == MeasurementKind.ELLIPSE else 1.0
    unit = Unit.SQUARE_MILLIMETRE if shape.spacing else Unit.SQUARE_PIXEL
    return Value(round(across * down * share, _DECIMALS), unit, at_detector)


def describe_measurements(measurements: Sequence[Mapping[str, Any]], study: Study) -> list[str]:
    """A text alternative for each stored measurement."""
    numbers = {
        str(pk): number
        for number, pk in enumerate(study.radiographs.values_list("pk", flat=True), 1)
    }
    return [
        _("{kind} on image {number}: {value}").format(
            kind=MeasurementKind(each["kind"]).label,
            number=numbers[each["radiograph"]],
            value=format_value(each),
        )
        for each in measurements
    ]


def with_formatted_values(measurements: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stored measurements with their values as text, for the viewer."""
    return [{**each, "words": format_value(each)} for each in measurements]


def format_value(stored: Mapping[str, Any]) -> str:
    """The value of a stored measurement with its unit, as the viewer writes it."""
    unit = Unit(stored["unit"])
    decimals = 0 if unit in (Unit.SQUARE_MILLIMETRE, Unit.SQUARE_PIXEL) else 1
    space = "" if unit == Unit.DEGREE else " "
    words = f"{stored['value']:.{decimals}f}{space}{unit.label}"
    return f"{words} {_('at the detector')}" if stored["at_detector"] else words


def _angle(first: Point, vertex: Point, last: Point) -> float:
    """The angle at the vertex in degrees, 0 to 180; 0 where two points are the same."""
    one = (first[0] - vertex[0], first[1] - vertex[1])
    other = (last[0] - vertex[0], last[1] - vertex[1])
    across = one[0] * other[1] - one[1] * other[0]
    along = one[0] * other[0] + one[1] * other[1]
    return math.degrees(abs(math.atan2(across, along)))
