"""Images at full depth: the values, the window, the scale and the sides that a viewer is given."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ml import images
from ml.images import Shutter, StoredImage, unshown
from tests import dicom_files as files

DEEP = files.phantom(12)

#: The edges of a shutter around most of a phantom, and around all of it.
RECTANGLE = {
    "ShutterLeftVerticalEdge": 20,
    "ShutterRightVerticalEdge": 120,
    "ShutterUpperHorizontalEdge": 10,
    "ShutterLowerHorizontalEdge": 150,
}
WHOLE = dict(zip(RECTANGLE, (1, 136, 1, 160), strict=True))
CIRCLE = {"CenterOfCircularShutter": [80, 70], "RadiusOfCircularShutter": 60}
VERTICES = "VerticesOfThePolygonalShutter"


def shown(stored: StoredImage) -> Any:
    """What a viewer makes of a stored image: greys between 0 and 1."""
    greys = np.clip((stored.pixels - stored.lower) / (stored.upper - stored.lower), 0, 1)
    return 1 - greys if stored.is_inverted else greys


@pytest.mark.parametrize(
    ("bits", "elements"),
    [
        (8, {}),
        (12, {}),
        (12, {"PhotometricInterpretation": "MONOCHROME1"}),
        (12, {"WindowCenter": 2000, "WindowWidth": 1500}),
        (12, {"WindowCenter": 2000, "WindowWidth": 1500, "VOILUTFunction": "LINEAR_EXACT"}),
        (12, {"WindowCenter": 2000, "WindowWidth": 1500, "VOILUTFunction": "SIGMOID"}),
        (12, {"WindowCenter": 976, "WindowWidth": 900, "RescaleSlope": 1, "RescaleIntercept": -24}),
        (12, {"WindowCenter": 500, "WindowWidth": 700, "RescaleSlope": 0.4, "RescaleIntercept": 3}),
        (12, {"RescaleSlope": -1, "RescaleIntercept": 4095}),
        (12, {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": int(DEEP[0, 0])}),
        (16, {}),
    ],
)
def test_a_viewer_shows_what_a_rendering_shows(bits: int, elements: dict[str, Any]) -> None:
    data = files.dicom(files.phantom(bits), bits, **elements)
    rendered = images.read(data)
    expected = rendered.pixels / rendered.max_value
    assert np.abs(shown(images.read_stored(data)) - expected).max() < 1 / 250


def test_the_values_are_those_of_the_file() -> None:
    stored = images.read_stored(files.dicom(DEEP, 12, WindowCenter=2000, WindowWidth=1500))
    assert stored.has_stored_values
    assert np.array_equal(stored.pixels, DEEP)
    assert stored.pixels.dtype == np.uint16
    assert (stored.lower, stored.upper) == (1250, 2749)


def test_rescaled_values_may_be_negative() -> None:
    data = files.dicom(DEEP, 12, RescaleSlope=1, RescaleIntercept=-1024)
    stored = images.read_stored(data)
    assert stored.pixels.dtype == np.int16
    assert np.array_equal(stored.pixels, DEEP.astype(np.int16) - 1024)


def test_greys_that_no_window_can_express_are_given_display_ready() -> None:
    lut = Dataset()
    lut.LUTDescriptor = [4096, 0, 16]
    lut.LUTData = (np.sqrt(np.arange(4096) / 4095) * 65535).astype("<u2").tobytes()
    data = files.dicom(DEEP, 12, VOILUTSequence=Sequence([lut]))
    stored = images.read_stored(data)
    assert not stored.has_stored_values
    assert np.array_equal(stored.pixels, images.read(data).pixels)
    assert (stored.lower, stored.upper) == (0, 65535)


def test_colour_is_given_as_luma() -> None:
    colour = np.stack([files.phantom()] * 3, axis=-1)
    stored = images.read_stored(files.dicom(colour))
    assert stored.pixels.shape == files.SIZE
    assert not stored.has_stored_values


@pytest.mark.parametrize(
    ("elements", "spacing", "is_calibrated"),
    [
        ({}, None, False),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), False),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2), False),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.18, 0.18]}, (0.18, 0.18), True),
        ({"PixelSpacing": [0.18, 0.18]}, (0.18, 0.18), False),
        # The same detector in other digits is no calibration.
        (
            {"ImagerPixelSpacing": [0.13889, 0.13889], "PixelSpacing": [0.139, 0.139]},
            (0.13889, 0.13889),
            False,
        ),
        (
            {
                "ImagerPixelSpacing": [0.2, 0.2],
                "PixelSpacing": [0.1995, 0.1995],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            (0.1995, 0.1995),
            True,
        ),
        *(
            (
                {
                    "ImagerPixelSpacing": [0.2, 0.2],
                    "EstimatedRadiographicMagnificationFactor": factor,
                },
                (0.2, 0.2),
                False,
            )
            for factor in (0.5, 125)
        ),
        (
            {
                "ImagerPixelSpacing": [0.2, 0.2],
                "EstimatedRadiographicMagnificationFactor": 1.25,
            },
            (0.16, 0.16),
            True,
        ),
        ({"PixelSpacing": [0, 0]}, None, False),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), False),
    ],
)
def test_spacing(
    elements: dict[str, Any], spacing: tuple[float, float] | None, is_calibrated: bool
) -> None:
    stored = images.read_stored(files.dicom(DEEP, 12, **elements))
    assert stored.spacing == (pytest.approx(spacing) if spacing else None)
    assert stored.is_calibrated == is_calibrated


@pytest.mark.parametrize(
    ("value", "expected"), [(["L", "F"], ("L", "F")), (["L"], ("", "")), (["X", "F"], ("", ""))]
)
def test_orientation(value: list[str], expected: tuple[str, str]) -> None:
    stored = images.read_stored(files.dicom(DEEP, 12, PatientOrientation=value))
    assert stored.orientation == expected


@pytest.mark.parametrize(
    ("elements", "shutter"),
    [
        ({}, None),
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE}, Shutter(rectangle=(19, 120, 9, 150))),
        (
            {"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterRightVerticalEdge": 9000},
            Shutter(rectangle=(19, 136, 9, 150)),
        ),
        # One that hides nothing is no shutter, and none that hides all is applied.
        ({"ShutterShape": "RECTANGULAR", **WHOLE}, Shutter()),
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterLeftVerticalEdge": 121}, None),
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterLeftVerticalEdge": None}, None),
        (
            {"ShutterShape": ["RECTANGULAR", "CIRCULAR"], **RECTANGLE, **CIRCLE},
            Shutter(rectangle=(19, 120, 9, 150), circle=(69.5, 79.5, 60)),
        ),
        (
            {
                "ShutterShape": ["RECTANGULAR", "POLYGONAL"],
                **RECTANGLE,
                VERTICES: [10, 20, 100, 20, 50, 130],
            },
            Shutter(
                rectangle=(19, 120, 9, 150), polygon=((19.5, 9.5), (19.5, 99.5), (129.5, 49.5))
            ),
        ),
        ({"ShutterShape": "CIRCULAR", **CIRCLE, "CenterOfCircularShutter": [80, -70]}, None),
        (
            {"ShutterShape": "POLYGONAL", VERTICES: [10, 20, 100, 20, 50, 130]},
            Shutter(polygon=((19.5, 9.5), (19.5, 99.5), (129.5, 49.5))),
        ),
        ({"ShutterShape": "POLYGONAL", VERTICES: [10, 20, 100, 20]}, None),
        ({"ShutterShape": "POLYGONAL", VERTICES: [10, 20] * 3}, None),
    ],
)
def test_a_shutter_is_read_or_left_whole(elements: dict[str, Any], shutter: Shutter | None) -> None:
    assert images.read_stored(files.dicom(files.phantom(), **elements)).shutter == shutter


@pytest.mark.parametrize(
    ("shape", "elements"),
    [
        ("CIRCULAR", {"CenterOfCircularShutter": [155, 130], "RadiusOfCircularShutter": 12}),
        ("POLYGONAL", {VERTICES: [10, 124, 130, 134, 150, 118]}),
    ],
)
def test_shapes_with_next_to_nothing_in_common_are_not_applied(
    shape: str, elements: dict[str, Any]
) -> None:
    alone = files.dicom(files.phantom(), ShutterShape=shape, **elements)
    assert images.read_stored(alone).shutter is not None
    shapes = ["RECTANGULAR", shape]
    both = images.read_stored(
        files.dicom(files.phantom(), ShutterShape=shapes, **RECTANGLE, **elements)
    )
    assert both.shutter is None
    assert unshown.SHUTTER in both.notes


@pytest.mark.parametrize(
    ("elements", "note"),
    [
        ({"ShutterShape": "RECTANGULAR"}, unshown.SHUTTER),
        ({"ShutterShape": "BITMAP"}, unshown.SHUTTER),
        ({"ShutterShape": "CIRCULAR", **RECTANGLE}, unshown.SHUTTER),
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE}, None),
        ({"GraphicAnnotationSequence": Sequence([Dataset()])}, unshown.DRAWINGS),
        ({"PresentationLUTShape": "INVERSE"}, unshown.POLARITY),
        (
            {"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"},
            unshown.POLARITY,
        ),
        ({"PresentationLUTShape": "IDENTITY"}, None),
        ({"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}, None),
        ({"PresentationLUTShape": "LIN OD"}, None),
    ],
)
def test_what_is_not_applied_is_reported(elements: dict[str, Any], note: str | None) -> None:
    data = files.dicom(files.phantom(), **elements)
    assert images.read_stored(data).notes == ((note,) if note else ())


def test_a_notice_says_that_curves_are_not_shown() -> None:
    ds = files.dataset(files.phantom())
    ds.add_new((0x5000, 0x3000), "OW", bytes(8))
    assert images.read_stored(files.file_bytes(ds)).notes == (unshown.DRAWINGS,)
