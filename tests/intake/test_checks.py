"""The check that every file passes before it is taken in."""

import hashlib
from datetime import timedelta
from io import BytesIO
from typing import Any

import pydicom
import pytest
from django.utils import timezone

from ml.images import ImageError
from tests import dicom_files as files
from webportal.intake import checks, dicom

HEADER = dicom.Header(patient_id="P", study_instance_uid=dicom.make_uid("study"))


def check(data: bytes, header: dicom.Header | None = None) -> checks.CheckedImage:
    return checks.check_apart(data, header, hashlib.sha256(data).hexdigest())


def test_a_dicom_file_is_left_as_it_came() -> None:
    checked = check(files.dicom(files.phantom()))
    assert checked.wrapped is None
    assert checked.facts.patient_id == "PHANTOM-1"


def test_a_png_comes_back_wrapped() -> None:
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
def test_padding_is_no_part_of_an_identifier(padded: str) -> None:
    facts = check(files.dicom(files.phantom(), PatientID=padded, PatientName=padded)).facts
    assert (facts.patient_id, facts.patient_name) == ("PHANTOM-1", "PHANTOM-1")


def test_a_birth_in_the_future_is_refused() -> None:
    birth_date = f"{timezone.localdate() + timedelta(days=1):%Y%m%d}"
    with pytest.raises(ImageError) as refusal:
        check(files.dicom(files.phantom(), PatientBirthDate=birth_date))
    assert refusal.value.code == "birth_date_in_future"


def test_pixels_that_do_not_decode_are_refused_though_the_header_is_fine() -> None:
    whole = files.compressed(files.dicom(files.phantom()), "JPEG2000Lossless")
    with pytest.raises(ImageError) as refusal:
        check(whole[:-1500] + bytes(1500))
    assert refusal.value.code in {"undecodable", "truncated"}
