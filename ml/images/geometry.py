"""Pixel size, aspect ratio, and image orientation."""

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ml.errors import translatable
from ml.images.elements import first_number, numbers, texts

SPACING_UNUSABLE = translatable(
    "The file's pixel spacing or aspect ratio cannot be used; its pixels are shown as squares,"
    " without a scale."
)
# Values beyond these are not plausible for any detector or film.
_SMALLEST_MM, _GREATEST_ASPECT = 0.001, 10
# 0.139 and 0.13889 are the spacing of the same detector.
_ROUNDED = 0.005
# Magnification is never below 1 in projection radiography; some devices write per cent.
_GREATEST_MAGNIFICATION = 3
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_ASPECT = "PixelAspectRatio"


@dataclass(frozen=True)
class PixelShape:
    """`spacing`, `is_calibrated`, `aspect` and `notes` as of `StoredImage`."""

    spacing: tuple[float, float] | None
    is_calibrated: bool
    aspect: float
    notes: tuple[str, ...] = ()


def of(dataset: Dataset) -> PixelShape:
    """Return the pixel spacing (PS3.3 10.7.1), or at least the aspect ratio, of a file."""
    spacing, is_calibrated = _spacing(dataset)
    shape = spacing or _pair(dataset, _ASPECT)
    if shape is not None:
        return PixelShape(spacing, is_calibrated, shape[0] / shape[1])
    is_given = any(numbers(dataset, keyword) for keyword in (*_SPACINGS, _ASPECT))
    return PixelShape(None, False, 1.0, (SPACING_UNUSABLE,) if is_given else ())


def orientation(dataset: Dataset) -> tuple[str, str]:
    """The directions of rows and columns, each one to three of the letters A F H L P R."""
    sides = texts(dataset, "PatientOrientation")
    if len(sides) != 2 or any(not side or set(side) - set("AFHLPR") for side in sides):
        return "", ""
    return sides[0][:3], sides[1][:3]


def _spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, bool]:
    """Return the spacing of rows and columns in mm, and whether it is calibrated to the patient."""
    at_detector = _pair(dataset, "ImagerPixelSpacing")
    spacing = _pair(dataset, "PixelSpacing")
    magnification = first_number(dataset, "EstimatedRadiographicMagnificationFactor") or 0
    says_so = bool(texts(dataset, "PixelSpacingCalibrationType"))
    if spacing is not None and spacing != at_detector:
        is_calibrated = says_so or (at_detector is not None and not _is_same(spacing, at_detector))
        if is_calibrated or at_detector is None:
            return spacing, is_calibrated
    if at_detector is not None and 1 <= magnification <= _GREATEST_MAGNIFICATION:
        return (at_detector[0] / magnification, at_detector[1] / magnification), True
    return at_detector or spacing or _pair(dataset, "NominalScannedPixelSpacing"), False


def _is_same(spacing: tuple[float, float], at_detector: tuple[float, float]) -> bool:
    """Whether Pixel Spacing repeats Imager Pixel Spacing, apart from rounding.

    A correction for magnification in the patient is several per cent, rounding much less.
    """
    return all(
        math.isclose(one, other, rel_tol=_ROUNDED)
        for one, other in zip(spacing, at_detector, strict=True)
    )


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return two positive numbers of consistent magnitude, or None."""
    pair = [value for value in numbers(dataset, keyword) if value and value >= _SMALLEST_MM]
    if len(pair) != 2 or max(pair) > _GREATEST_ASPECT * min(pair):
        return None
    return pair[0], pair[1]
