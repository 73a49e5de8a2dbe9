"""Wrapping a JPEG or PNG into DICOM."""

import hashlib
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import generate_frames

from ml import images
from tests import dicom_files as files
from webportal.intake.checks import wrapping

HEADER = wrapping.Header(
    patient_id="P-1",
    issuer_of_patient_id="HOSPITAL",
    patient_name="Müller^Änne",
    patient_birth_date=date(1999, 12, 31),
    patient_sex="F",
    study_instance_uid=wrapping.make_uid("study"),
    accession_number="ACC1",
    study_description="Chest PA",
    referring_physician_name="Doe^Jane",
    study_date=date(2024, 2, 29),
)


def wrap(data: bytes) -> bytes:
    return wrapping.wrap(data, HEADER, hashlib.sha256(data).hexdigest())


def parsed(data: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(BytesIO(data))


def test_a_baseline_jpeg_keeps_its_bytes() -> None:
    for mode in ("L", "RGB"):
        data = files.jpeg(files.phantom(), mode)
        ds = parsed(wrap(data))
        assert ds.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit
        frame = next(generate_frames(ds.PixelData, number_of_frames=1))
        assert frame.removesuffix(b"\0") == data.removesuffix(b"\0")
        assert ds.LossyImageCompression == "01"


@pytest.mark.parametrize(
    ("options", "photometric"),
    [
        ({"subsampling": 2}, "YBR_FULL_422"),
        ({"subsampling": 0}, "YBR_FULL"),
        ({"keep_rgb": True}, "RGB"),
    ],
)
def test_a_colour_jpeg_states_its_colour_space(options: dict[str, Any], photometric: str) -> None:
    wrapped = wrap(files.jpeg(files.phantom(), "RGB", **options))
    assert parsed(wrapped).PhotometricInterpretation == photometric
    grey = images.read(wrapped).pixels
    assert np.abs(grey.astype(int) - files.phantom()).max() <= 15


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return files.jpeg(files.phantom(), exif=exif)


@pytest.mark.parametrize(
    "data",
    [
        files.jpeg(files.phantom()),
        files.jpeg(files.phantom(), "RGB"),
        files.jpeg(files.phantom(), progressive=True),
        files.jpeg(files.phantom(), "CMYK"),
        turned_jpeg(),
        files.png(files.phantom()),
        files.png(files.phantom(size=(33, 35))),
        files.png(files.phantom(16)),
        files.png(files.phantom(12)),
        files.png(files.phantom(), "RGB"),
        files.png(files.phantom(), "RGBA"),
        files.png(files.phantom(), "P"),
        files.png(files.phantom(), "1"),
        files.deep_png(np.repeat(files.phantom(12)[..., None], 3, axis=2)),
    ],
    ids=[
        "grey jpeg",
        "colour jpeg",
        "progressive jpeg",
        "cmyk jpeg",
        "turned jpeg",
        "png",
        "odd png",
        "16-bit png",
        "12-in-16-bit png",
        "colour png",
        "transparent png",
        "palette png",
        "bilevel png",
        "16-bit colour png",
    ],
)
def test_the_grey_values_are_those_of_the_file(data: bytes) -> None:
    original, wrapped = images.read(data), images.read(wrap(data))
    assert original.max_value == wrapped.max_value
    assert original.pixels.shape == wrapped.pixels.shape
    assert np.abs(original.pixels.astype(int) - wrapped.pixels.astype(int)).max() <= 1


def test_a_16_bit_png_keeps_its_stored_values() -> None:
    pixels = files.phantom(12)
    assert np.array_equal(parsed(wrap(files.png(pixels))).pixel_array, pixels)


def test_patient_and_study_are_in_the_header() -> None:
    facts = images.describe(wrap(files.png(files.phantom())))
    assert (facts.patient_id, facts.issuer_of_patient_id) == ("P-1", "HOSPITAL")
    assert (facts.patient_name, facts.patient_sex) == ("Müller^Änne", "F")
    assert facts.patient_birth_date == date(1999, 12, 31)
    assert facts.accession_number == "ACC1"
    assert facts.study_description == "Chest PA"
    assert facts.referring_physician_name == "Doe^Jane"
    assert facts.study_date == date(2024, 2, 29)
    assert facts.modality == "DX"
    assert facts.sop_class_uid == uid.SecondaryCaptureImageStorage


def test_unknown_attributes_are_empty_and_present() -> None:
    header = wrapping.Header(patient_id="P", study_instance_uid=wrapping.make_uid("study"))
    data = files.png(files.phantom())
    ds = parsed(wrapping.wrap(data, header, hashlib.sha256(data).hexdigest()))
    # Type 2 attributes of the modules of Secondary Capture (PS3.3 A.8.1).
    for keyword in (
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
        "SeriesNumber",
        "InstanceNumber",
        "PatientOrientation",
    ):
        assert keyword in ds


def test_wrapping_twice_creates_the_same_file() -> None:
    data = files.png(files.phantom())
    assert wrap(data) == wrap(data)


COLOURS = np.stack([files.phantom(size=(151, 133), seed=seed) for seed in range(3)], -1)
PICTURES = {
    "grey JPEG": files.jpeg(COLOURS[..., 0]),
    "JPEG a byte longer": files.jpeg(COLOURS[..., 0], comment=b"x"),
    "JPEG two bytes longer": files.jpeg(COLOURS[..., 0], comment=b"xy"),
    "colour JPEG": files.jpeg(COLOURS),
    "RGB JPEG": files.jpeg(COLOURS, keep_rgb=True),
    "progressive JPEG": files.jpeg(COLOURS[..., 0], progressive=True),
    "PNG of 8 bits": files.png(COLOURS[..., 0]),
    "PNG of 16 bits": files.png(COLOURS[..., 0].astype(np.uint16) * 200),
}
HEADERS = {
    "full": HEADER,
    "bare": wrapping.Header(patient_id="P", study_instance_uid="1.2.3"),
    "of three representations": wrapping.Header(
        patient_id="山田-1",
        study_instance_uid="1.2.34",
        patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "with an empty representation": wrapping.Header(
        patient_id="P ", study_instance_uid="1.2.3", patient_name="Doe^Jane="
    ),
}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("header", HEADERS)
def test_the_bytes_are_those_that_pydicom_writes(picture: str, header: str) -> None:
    wrapped = wrapping.wrap(PICTURES[picture], HEADERS[header], "ab" * 32)
    again = BytesIO()
    ds = parsed(wrapped)
    ds.decode()  # so that nothing is copied as it lies in the file
    pydicom.dcmwrite(again, ds, enforce_file_format=True)
    assert wrapped == again.getvalue()


def test_different_pixels_create_a_different_instance() -> None:
    one, other = (parsed(wrap(files.png(files.phantom(seed=seed)))) for seed in (0, 1))
    assert one.SOPInstanceUID != other.SOPInstanceUID


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("instance", "0" * 64)])
def test_generated_uids_are_valid(names: tuple[str, ...]) -> None:
    assert uid.UID(wrapping.make_uid(*names)).is_valid
