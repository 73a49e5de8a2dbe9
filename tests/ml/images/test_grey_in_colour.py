"""Grey pictures in colour, whose header says wrongly how their samples are to be read."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml import images
from ml.images.parsing import parse
from ml.images.transcoding import as_file, explicit_little_endian
from tests import dicom_files as files


def assert_same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    assert np.array_equal(actual, expected)


def grey_in_colour(planar: int) -> tuple[NDArray[Any], Dataset]:
    """A grey picture and the data set that has it as RGB, in planes or not."""
    grey = files.phantom()
    ds = files.dataset(np.stack([grey] * 3, axis=-1))
    ds.PlanarConfiguration = planar
    ds.PixelData = np.stack([grey] * 3, axis=0 if planar else -1).tobytes()
    return grey, ds


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("named", [0, 1])
def test_a_grey_picture_in_planes_is_read_whatever_is_declared(planar: int, named: int) -> None:
    grey, ds = grey_in_colour(planar)
    ds.PlanarConfiguration = named
    assert_same(images.read(files.file_bytes(ds)).pixels, grey)


def test_planar_configuration_may_be_missing() -> None:
    grey, ds = grey_in_colour(0)
    del ds.PlanarConfiguration
    assert_same(images.read(files.file_bytes(ds)).pixels, grey)


def test_luma_that_is_declared_as_rgb_keeps_its_contrast() -> None:
    """As programs leave it that decompress a JPEG without converting its colours."""
    grey = files.phantom()
    none = np.full_like(grey, 128)
    data = files.dicom(np.stack([grey, none, none], axis=-1))
    assert_same(images.read(data).pixels, grey)


@pytest.mark.parametrize("named", ["YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422"])
def test_a_jpeg_gives_its_luma_whatever_its_colours_are_called(named: str) -> None:
    pixels = np.stack([files.phantom()] * 3, axis=-1)
    data = files.encapsulated_jpeg(files.jpeg(pixels), pixels)
    expected = images.read(data).pixels
    named_otherwise = files.with_elements(data, PhotometricInterpretation=named)
    images.check(images.describe(named_otherwise))
    assert_same(images.read(named_otherwise).pixels, expected)


def test_a_grey_jpeg_may_be_declared_as_colour() -> None:
    grey = files.phantom()
    jpeg = files.jpeg(grey)
    data = files.encapsulated_jpeg(jpeg, np.stack([grey] * 3, axis=-1))
    data = files.with_elements(data, PhotometricInterpretation="RGB")
    assert_same(images.read(data).pixels, images.read(jpeg).pixels)
    sent = parse(data)
    explicit_little_endian(sent)
    assert_same(images.read(as_file(sent)).pixels, images.read(jpeg).pixels)
