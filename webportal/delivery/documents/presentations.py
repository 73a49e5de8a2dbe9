"""Presentation states: a reader's marks and measurements, drawn on the image.

A Grayscale Softcopy Presentation State (PS3.3 A.33.1) for each image. Its coordinates are those of
the stored image (units PIXEL: 0\\0 is the upper left corner of the upper left pixel, as for marks
and measurements), so that a viewer that rotates or flips the image takes what is drawn along.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils import translation
from highdicom.content import PresentationLUTTransformation
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    SoftcopyVOILUTTransformation,
    TextObject,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml import images
from ml.images import StoredImage
from ml.images.parsing import parse
from webportal.delivery.documents.reports import VerifyingObserver, person_name
from webportal.delivery.documents.sources import (
    MANUFACTURER,
    SeriesPlace,
    file_of,
    portal_equipment,
)
from webportal.records.files import read_dicom
from webportal.records.models import Radiograph
from webportal.review.models import Read
from webportal.review.reads.marks import MARKED_FINDINGS, Mark, parse_marks
from webportal.review.reads.measurements import (
    Measurement,
    MeasurementKind,
    format_value,
    parse_measurements,
)
from webportal.version import VERSION

LAYER = "READER"
# How the file's values become greys: what is not stated here is left to the identity.
_OF_FILE = (
    "SamplesPerPixel",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
)
# Presentation Pixel Aspect Ratio is a pair of whole numbers.
_ASPECT_PARTS = 1000


class InColourError(Exception):
    """An image in colour, for which there is no grayscale presentation state."""


def presentation(
    read: Read,
    radiograph: Radiograph,
    source: Dataset,
    place: SeriesPlace,
    verified: VerifyingObserver,
) -> bytes:
    """What a reader drew on an image, as a DICOM file; nothing, if the read no longer has it.

    Raises StoredFileError, ImageError, or InColourError.
    """
    data = read_dicom(radiograph)
    reference = _reference(source, data)
    stored = images.read_stored(data)
    graphics, texts = _drawn(read, radiograph)
    layer = GraphicLayer(LAYER, 1, description="Marks and measurements of the reader")
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[reference],
        series_instance_uid=place.series_instance_uid,
        series_number=place.series_number,
        sop_instance_uid=place.sop_instance_uid,
        instance_number=place.instance_number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=VERSION,
        device_serial_number=VERSION,
        content_label=LAYER,
        content_description="Marks and measurements" if graphics else "No marks any more",
        content_creator_name=person_name(verified.reader),
        institution_name=verified.organization or None,
        graphic_layers=[layer] if graphics else None,
        graphic_annotations=[GraphicAnnotation([reference], layer, None, None, graphics, texts)]
        if graphics
        else None,
        voi_lut_transformations=_window(stored),
        presentation_lut_transformation=PresentationLUTTransformation(
            "INVERSE" if stored.is_inverted else "IDENTITY"
        ),
        contributing_equipment=[portal_equipment()],
    )
    [area] = state.DisplayedAreaSelectionSequence
    # Of a whole image without tiles there is only one origin.
    del area.PixelOriginInterpretation
    if stored.aspect != 1:
        area.PresentationPixelAspectRatio = [round(stored.aspect * _ASPECT_PARTS), _ASPECT_PARTS]
    state.BodyPartExamined = "CHEST"
    state.SeriesDescription = "Marks of the read, drawn"
    return file_of(state)


def _reference(source: Dataset, data: bytes) -> Dataset:
    """The image with what its greys depend on. Raises InColourError."""
    header = parse(data, stop_before_pixels=True)
    reference = Dataset()
    reference.update(source)
    for keyword in _OF_FILE:
        if keyword in header:
            reference[keyword] = header[keyword]
    if reference.get("SamplesPerPixel", 1) != 1:
        raise InColourError
    return reference


def _window(stored: StoredImage) -> list[SoftcopyVOILUTTransformation] | None:
    """The window of the viewer; None where the file maps its values in another way."""
    if not stored.has_stored_values or stored.upper <= stored.lower:
        return None
    # By a window of PS3.3 C.11.2.1.2.1, these values are the first black and the first white one.
    width = stored.upper - stored.lower + 1
    return [
        SoftcopyVOILUTTransformation(
            window_center=(stored.lower + stored.upper + 1) / 2, window_width=width
        )
    ]


def _drawn(read: Read, radiograph: Radiograph) -> tuple[list[GraphicObject], list[TextObject]]:
    """The shapes on an image, and beside each what it is."""
    with translation.override("en"):
        drawn = [
            *_marks(parse_marks(read.marks), radiograph.pk),
            *_measurements(read.measurements, radiograph.pk),
        ]
    limits = np.array([radiograph.columns, radiograph.rows], float)
    graphics, texts = [], []
    for kind, points, words in drawn:
        inside = np.clip(points, 0, limits)
        graphics.append(GraphicObject(kind, inside, "PIXEL"))
        column, row = inside[0]
        texts.append(TextObject(words, "PIXEL", anchor_point=(column, row)))
    return graphics, texts


Drawn = tuple[str, NDArray[np.float64], str]


def _marks(marks: Sequence[Mark], radiograph: uuid.UUID) -> list[Drawn]:
    names = dict(MARKED_FINDINGS)
    return [
        (*_outline(mark), str(names.get(mark.finding, mark.finding)))
        for mark in marks
        if mark.radiograph == radiograph
    ]


def _outline(mark: Mark) -> tuple[str, NDArray[np.float64]]:
    """Graphic type and points of a mark: the middle of its pixel, or a box."""
    if mark.is_point:
        return "POINT", np.array([(mark.column + 0.5, mark.row + 0.5)])
    end = (mark.column + mark.width, mark.row + mark.height)
    return "POLYLINE", _box((mark.column, mark.row), end)


def _measurements(given: Sequence[Mapping[str, Any]], radiograph: uuid.UUID) -> list[Drawn]:
    measurements = zip(parse_measurements(list(given)), given, strict=True)
    return [
        (*_shape(measurement), format_value(stored))
        for measurement, stored in measurements
        if measurement.radiograph == radiograph
    ]


def _shape(measurement: Measurement) -> tuple[str, NDArray[np.float64]]:
    """Graphic type and points of a measurement (PS3.3 C.10.5.1.2)."""
    if measurement.kind == MeasurementKind.RECTANGLE:
        return "POLYLINE", _box(*measurement.points)
    if measurement.kind == MeasurementKind.ELLIPSE:
        return "ELLIPSE", _axes(*measurement.points)
    return "POLYLINE", np.array(measurement.points, float)


def _box(one: tuple[float, float], other: tuple[float, float]) -> NDArray[np.float64]:
    """A closed line around the box between two opposite corners."""
    (left, top), (right, bottom) = one, other
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return np.array(corners, float)


def _axes(one: tuple[float, float], other: tuple[float, float]) -> NDArray[np.float64]:
    """The ends of the axes of an ellipse in the box between two corners, the longer axis first."""
    (left, right), (top, bottom) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    column, row = (left + right) / 2, (top + bottom) / 2
    across, down = [(left, row), (right, row)], [(column, top), (column, bottom)]
    is_wide = right - left >= bottom - top
    return np.array([*across, *down] if is_wide else [*down, *across], float)
