"""The checks that every file has to pass on intake."""

import hashlib
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from ml.errors import ImageError
from ml.serving.preprocessing import USUAL_SIZE, read_input
from tests import dicom_files as files
from webportal.intake.checks import image_file, wrapping

HEADER = wrapping.Header(patient_id="P", study_instance_uid=wrapping.make_uid("study"))


def check(data: bytes, header: wrapping.Header | None = None) -> image_file.CheckedImage:
    return image_file.check_apart(data, header, hashlib.sha256(data).hexdigest())


def test_a_dicom_file_is_left_unchanged() -> None:
    checked = check(files.dicom(files.phantom()))
    assert checked.wrapped is None
    assert checked.facts.patient_id == "PHANTOM-1"


def test_a_png_is_returned_wrapped() -> None:
    checked = check(files.png(files.phantom()), HEADER)
    assert checked.kind == "png"
    assert checked.facts.patient_id == "P"
    assert pydicom.dcmread(BytesIO(checked.wrapped or b"")).PatientID == "P"


def test_a_png_needs_a_patient() -> None:
    with pytest.raises(ImageError) as refusal:
        check(files.png(files.phantom()))
    assert refusal.value.code == "no_patient"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID"])
def test_a_dicom_file_needs_its_identifiers(keyword: str) -> None:
    ds = files.dataset(files.phantom())
    data = files.file_bytes(ds)
    value = str(ds[keyword].value).encode()
    with pytest.raises(ImageError) as refusal:
        check(data.replace(value, b"\0" * len(value)))
    assert refusal.value.code == "incomplete_header"


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "PatientName"])
@pytest.mark.parametrize(
    "value", ["PHAN\0TOM", "\0PHANTOM", "PHANTOM\n", "PHAN\r\nTOM", "PHAN\tTOM"]
)
def test_identifiers_with_control_characters_are_refused(keyword: str, value: str) -> None:
    elements: dict[str, Any] = {keyword: value}
    with pytest.raises(ImageError) as refusal:
        check(files.dicom(files.phantom(), **elements))
    assert refusal.value.code == "control_characters"


@pytest.mark.parametrize("padded", ["PHANTOM-1\0", "PHANTOM-1 \0\0", " PHANTOM-1 "])
def test_padding_is_not_part_of_an_identifier(padded: str) -> None:
    facts = check(files.dicom(files.phantom(), PatientID=padded, PatientName=padded)).facts
    assert (facts.patient_id, facts.patient_name) == ("PHANTOM-1", "PHANTOM-1")


def test_a_birth_in_the_future_is_refused() -> None:
    with pytest.raises(ImageError) as refusal:
        check(files.dicom(files.phantom(), PatientBirthDate="20990101"))  # in any calendar
    assert refusal.value.code == "birth_date_in_future"


def test_pixels_that_do_not_decode_are_refused_though_the_header_is_fine() -> None:
    whole = files.compressed(files.dicom(files.phantom()), "JPEG2000Lossless")
    with pytest.raises(ImageError) as refusal:
        check(whole[:-1500] + bytes(1500))
    assert refusal.value.code in {"undecodable", "truncated"}


@pytest.mark.parametrize("make", [files.png, files.jpeg, files.dicom])
@pytest.mark.parametrize(("size", "passes"), [((128, 128), True), ((127, 400), False)])
def test_a_thumbnail_is_refused(
    make: Callable[..., bytes], size: tuple[int, int], passes: bool
) -> None:
    data = make(files.phantom(size=size))
    if passes:
        assert check(data, HEADER).facts.rows == 128
        return
    with pytest.raises(ImageError) as refusal:
        check(data, HEADER)
    assert refusal.value.code == "too_small"


def test_a_side_longer_than_a_dicom_image_can_have_is_refused() -> None:
    with pytest.raises(ImageError) as refusal:
        check(files.png(files.phantom(size=(2**16, 128))), HEADER)
    assert refusal.value.code == "side_too_long"


def damaged(data: bytes) -> bytes:
    """The JPEG with the last third of its picture overwritten, the end marker left as it was."""
    at = len(data) * 2 // 3
    noise = random.Random(0).choices(range(255), k=len(data) - at - 2)
    return data[:at] + bytes(noise) + data[-2:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "RGB"}])
def test_a_jpeg_that_is_damaged_in_the_middle_is_refused(options: dict[str, Any]) -> None:
    whole = files.jpeg(files.phantom(size=(400, 300)), **options)
    assert check(whole, HEADER).kind == "jpeg"
    with pytest.raises(ImageError) as refusal:
        check(damaged(whole), HEADER)
    assert refusal.value.code == "damaged_jpeg"


def test_a_damaged_jpeg_inside_a_dicom_file_is_refused_too() -> None:
    pixels = files.phantom(size=(400, 300))
    whole = files.jpeg(pixels)
    assert check(files.encapsulated_jpeg(whole, pixels)).kind == "dicom"
    with pytest.raises(ImageError) as refusal:
        check(files.encapsulated_jpeg(damaged(whole), pixels))
    assert refusal.value.code == "damaged_jpeg"


PICTURE = files.phantom(size=(700, 900))
DEEP = files.phantom(12, (700, 900))
JPEG = files.jpeg(PICTURE)
RGB_JPEG = files.jpeg(np.stack([PICTURE, PICTURE // 2, PICTURE // 3], -1), keep_rgb=True)
YBR_JPEG = files.jpeg(np.stack([PICTURE, PICTURE // 2, PICTURE // 3], -1))
KINDS = {
    "grey JPEG": JPEG,
    "colour JPEG": YBR_JPEG,
    "DICOM of 8 bits": files.dicom(PICTURE),
    "DICOM of 12 bits with a window": files.dicom(DEEP, 12, WindowCenter=2000, WindowWidth=900),
    "inverted DICOM": files.dicom(DEEP, 12, PhotometricInterpretation="MONOCHROME1"),
    "JPEG in DICOM": files.encapsulated_jpeg(JPEG, PICTURE),
    "lossless JPEG in DICOM": files.compressed(files.dicom(DEEP, 12), "JPEGLosslessProcess14_1"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_network_gets_from_the_check_what_it_would_get_from_the_stored_file(name: str) -> None:
    data = KINDS[name]
    checked = check(data, HEADER)
    assert checked.network_input is not None
    stored = checked.wrapped or data
    assert checked.network_input == read_input(stored, USUAL_SIZE).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        files.png(PICTURE),
        files.deep_png(np.stack([DEEP, DEEP], -1).astype(np.uint16)),
        files.jpeg(PICTURE, progressive=True),
        RGB_JPEG,
        JPEG[:-2],
    ],
    ids=["PNG", "deep PNG", "progressive", "RGB", "no end marker"],
)
def test_what_is_stored_otherwise_than_it_came_is_left_to_the_worker(data: bytes) -> None:
    assert check(data, HEADER).network_input is None


def test_no_real_radiograph_counts_as_damaged(real_data: Path) -> None:
    for path in sorted((real_data / "fullres").rglob("*.jpeg")):
        assert check(path.read_bytes(), HEADER).kind == "jpeg"
