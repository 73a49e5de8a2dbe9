"""Elements given twice, or after the pixels: none is overlooked, and none is chosen by chance."""

import struct

import numpy as np
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from ml import images
from tests import dicom_files as files


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientID", b"OTHER-1 "), ("PatientID", b""), ("StudyDate", b"20200101"), ("Rows", b"\1\0")],
)
def test_an_element_given_twice_with_different_values_is_refused(
    keyword: str, value: bytes
) -> None:
    vr = dictionary_VR(keyword)
    twice = files.with_raw_element(files.dicom(files.phantom()), keyword, vr, value)
    for read in (images.describe, images.read):
        with pytest.raises(images.ImageError) as refusal:
            read(twice)
        assert "twice" in refusal.value.message


def test_an_element_given_twice_with_the_same_value_is_harmless() -> None:
    data = files.with_raw_element(files.dicom(files.phantom()), "PatientID", "LO", b"PHANTOM-1\0")
    assert images.describe(data).patient_id == "PHANTOM-1"


@pytest.mark.parametrize("keyword", ["PatientID", "StudyDate"])
def test_an_element_after_the_pixels_is_never_overlooked(keyword: str) -> None:
    data = files.without(files.dicom(files.phantom()), keyword)
    tag = Tag(keyword)
    late = struct.pack("<HH2sH", tag.group, tag.element, b"LO", 8) + b"20240101"
    with pytest.raises(images.ImageError) as refusal:
        images.check_pixels(data + late, 64)
    assert "not in order" in refusal.value.message


def test_padding_after_the_pixels_is_harmless() -> None:
    data = files.dicom(files.phantom())
    for padding in (bytes(300), b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0" + bytes(4)):
        assert np.array_equal(images.read(data + padding).pixels, files.phantom())


@pytest.mark.parametrize("padding", [bytes(files.SIZE[1]), b"\0\xff" * files.SIZE[1], b"abc" * 5])
def test_padding_within_the_pixel_data_is_harmless(padding: bytes) -> None:
    ds = files.dataset(files.phantom())
    ds.PixelData += padding + bytes(len(padding) % 2)
    assert np.array_equal(images.read(files.file_bytes(ds)).pixels, files.phantom())
