"""JPEGs decoded at a fraction of their size, for the network alone."""

from typing import Any

import numpy as np
import pytest

from ml import images
from ml.errors import ImageError
from ml.serving.preprocessing import network_input, read_input
from tests import dicom_files as files
from tests.ml.images.test_whole import in_dicom

SIDE = 672
LARGE = files.phantom(size=(1500, 1400))
WINDOW = {"WindowCenter": "100", "WindowWidth": "50"}


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1343, 1500), (1343, 1500)),
        ((1344, 1500), (672, 750)),
        ((1501, 1345), (751, 673)),
        ((2700, 2688), (675, 672)),
        ((300, 200), (300, 200)),
    ],
)
def test_so_many_pixels_are_left_of_the_shorter_side(
    size: tuple[int, int], shape: tuple[int, int]
) -> None:
    pixels = files.phantom(size=size)
    frame = files.jpeg(pixels)
    assert images.read_smaller(frame, SIDE).pixels.shape == shape
    assert images.read_smaller(files.jpeg(pixels, "RGB"), SIDE).pixels.shape == shape
    assert images.read_smaller(in_dicom(frame, pixels, 8), SIDE).pixels.shape == shape
    assert images.read(in_dicom(frame, pixels, 8)).pixels.shape == size


@pytest.mark.parametrize("elements", [{}, {"PhotometricInterpretation": "MONOCHROME1"}])
def test_the_network_sees_almost_the_same(elements: dict[str, Any]) -> None:
    data = in_dicom(files.jpeg(LARGE), LARGE, 8, **elements)
    whole, smaller = network_input(images.read(data), 224), read_input(data, 224)
    assert np.abs(whole.astype(int) - smaller).mean() < 1


@pytest.mark.parametrize(
    "elements",
    [
        WINDOW,
        {"RescaleSlope": "2", "RescaleIntercept": "0"},
        {"PixelPaddingValue": 0},
        {"VOILUTSequence": []},
    ],
)
def test_greys_that_the_file_maps_are_decoded_whole(elements: dict[str, Any]) -> None:
    data = in_dicom(files.jpeg(LARGE), LARGE, 8, **elements)
    np.testing.assert_array_equal(images.read_smaller(data, SIDE).pixels, images.read(data).pixels)


@pytest.mark.parametrize("data", [files.png(LARGE), files.dicom(LARGE)], ids=["png", "dicom"])
def test_other_files_are_decoded_whole(data: bytes) -> None:
    np.testing.assert_array_equal(images.read_smaller(data, SIDE).pixels, images.read(data).pixels)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_found(share: float) -> None:
    frame = files.jpeg(LARGE)
    with pytest.raises(ImageError):
        images.read_smaller(frame[: int(len(frame) * share)], SIDE)
