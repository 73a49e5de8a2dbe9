"""Identifiers and names in files are stored exactly, or the file is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import uid

from tests import dicom_files as files
from tests.factories import make_uploader
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.intake.batches import services
from webportal.intake.cases import case_record
from webportal.intake.cases.case_record import CaseRecord, CaseRecordForm
from webportal.intake.models import IdentityMode
from webportal.records.models import Patient, Study
from webportal.records.searches import filter_by_text, find_patients

pytestmark = pytest.mark.django_db(transaction=True)


def dicom(seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)


def with_name(name: bytes, character_set: list[str], **elements: Any) -> bytes:
    """A file whose Patient's Name is of these bytes."""
    mark = "~" * (len(name) + len(name) % 2)
    data = dicom(PatientName=mark, SpecificCharacterSet=character_set, **elements)
    assert data.count(mark.encode()) == 1
    return data.replace(mark.encode(), name + b" " * (len(name) % 2))


def test_long_accession_numbers_are_kept_and_found(send: Send) -> None:
    for seed in (1, 2):
        item = send(dicom(seed, AccessionNumber=f"RAD-2026-0000123-XR-0{seed}"), str(seed))
        assert item.verdict == "accepted"
    numbers = set(Study.objects.values_list("accession_number", flat=True))
    assert numbers == {"RAD-2026-0000123-XR-01", "RAD-2026-0000123-XR-02"}
    found = filter_by_text(Study.objects.all(), "RAD-2026-0000123-XR-02").get()
    assert found.accession_number == "RAD-2026-0000123-XR-02"


def test_forms_accept_the_accession_numbers_that_files_may_have() -> None:
    values = {"patient_id": "P", "accession_number": "A" * 64}
    assert CaseRecordForm(values).is_valid()
    assert "accession_number" in CaseRecordForm(values | {"accession_number": "A" * 65}).errors


def test_an_image_with_a_long_accession_number_is_wrapped_unaltered(
    send: Send, uploader: User
) -> None:
    record = CaseRecord("P-1", accession_number="RAD-2026-0000123-XR-01")
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: record}
    )
    item = send(files.png(files.phantom()), to=batch)
    assert item.radiograph is not None
    assert item.radiograph.study.accession_number == "RAD-2026-0000123-XR-01"


def test_several_accession_numbers_of_a_study_are_kept_and_found(send: Send) -> None:
    assert send(dicom(AccessionNumber="ONE1\\TWO2")).verdict == "accepted"
    assert Study.objects.get().accession_number == "ONE1\\TWO2"
    assert filter_by_text(Study.objects.all(), "TWO2").exists()


@pytest.mark.parametrize(
    ("elements", "code", "named"),
    [
        ({"PatientID": "FAIL12\\34"}, "several_values", "Patient ID"),
        ({"IssuerOfPatientID": "A\\B"}, "several_values", "issuer"),
        ({"PatientName": "Doe^Jane\\Roe^Jane"}, "several_values", "name"),
        ({"PatientID": "P\u200b1"}, "invisible_letters", "U+200B"),
        ({"PatientID": "\u200eP1"}, "invisible_letters", "U+200E"),
        ({"PatientID": "P\u00a01"}, "invisible_letters", "U+00A0"),
        ({"IssuerOfPatientID": "A\ufeffB"}, "invisible_letters", "U+FEFF"),
        ({"AccessionNumber": "A\u200b1"}, "invisible_letters", "U+200B"),
        ({"PatientName": "Doe\u202e^Jane"}, "invisible_letters", "U+202E"),
        ({"PatientID": "A\u0308"}, "decomposed_letters", "U+0308"),
        ({"PatientID": "P" * 65}, "too_long", "64"),
        ({"IssuerOfPatientID": "I" * 65}, "too_long", "64"),
        ({"AccessionNumber": "A" * 65}, "too_long", "64"),
        ({"PatientName": "N" * 501}, "too_long", "500"),
        ({"PatientID": "P\n1"}, "control_characters", "U+000A"),
    ],
)
def test_uncertain_identifiers_are_refused_and_named(
    elements: dict[str, Any], code: str, named: str, send: Send
) -> None:
    item = send(dicom(SpecificCharacterSet="ISO_IR 192", **elements))
    assert (item.verdict, item.reason_code) == ("refused", code)
    assert named in str(item.reason)
    assert not Patient.objects.exists()


def test_a_uid_is_never_altered(send: Send) -> None:
    data = dicom(StudyInstanceUID="1.2.3456.789")
    item = send(data.replace(b"1.2.3456.789", b"1.2.3456\x00789"))
    assert (item.verdict, item.reason_code) == ("refused", "incomplete_header")


def test_long_descriptions_and_names_are_kept_in_full(send: Send) -> None:
    words: dict[str, Any] = {"StudyDescription": "D" * 200, "ReferringPhysicianName": "R" * 300}
    assert send(dicom(PatientName="N" * 250, **words)).verdict == "accepted"
    study = Study.objects.get()
    assert (study.description, study.referring_physician) == ("D" * 200, "R" * 300)
    assert study.patient.name == "N" * 250


@pytest.mark.parametrize("sex", ["X", "m", "M\\F", "Female", ""])
def test_a_sex_undefined_in_dicom_is_unknown(sex: str, send: Send) -> None:
    assert send(dicom(PatientSex=sex)).verdict == "accepted"
    assert Patient.objects.get().sex == ""


def test_chinese_names_with_escape_sequences(send: Send) -> None:
    """The example of PS3.5 K.2, and the same person from a device that writes UTF-8."""
    escaped = b"\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"
    sets = ["", "ISO 2022 IR 58"]
    send(with_name(b"Zhang^XiaoDong=" + escaped, sets, PatientID="ONE"), "1")
    assert Patient.objects.get().name == "Zhang^XiaoDong=张^小东"
    assert find_patients("张", make_uploader()).exists()
    send(with_name(escaped, sets, PatientID="TWO"), "2")
    same = dicom(2, PatientID="TWO", PatientName="张^小东", SpecificCharacterSet="ISO_IR 192")
    assert send(same, "3").verdict == "accepted"


def test_a_name_is_the_same_however_its_accents_are_composed(send: Send) -> None:
    for seed, name in enumerate(("José^García", "Jose\u0301^Garci\u0301a")):
        data = dicom(seed, PatientName=name, SpecificCharacterSet="ISO_IR 192")
        assert send(data, str(seed)).verdict == "accepted"
    assert Patient.objects.get().name == "José^García"


def test_a_decomposed_name_is_found_with_and_without_accents(send: Send) -> None:
    data = dicom(PatientName="Jose\u0301^क्\u200dषमा", SpecificCharacterSet="ISO_IR 192")
    assert send(data).verdict == "accepted"
    for words in ("josé", "jose", "JOSE\u0301", "क्षमा", "क्\u200dषमा"):
        assert filter_by_text(Study.objects.all(), words).exists(), words
    assert Study.objects.get().sort_name.startswith("jose\x02")


def test_implicit_vr_files_are_read_the_same_way(send: Send) -> None:
    data = with_name("Müller^Jan".encode("latin_1"), ["ISO_IR 100"])
    send(files.in_byte_order(data, uid.ImplicitVRLittleEndian))
    assert Patient.objects.get().name == "Müller^Jan"


@pytest.mark.parametrize(
    ("elements", "at"),
    [
        ({"AcquisitionDate": "20250607", "AcquisitionTime": "08"}, (2025, 6, 7, 8)),
        ({"ContentDate": "20250608"}, (2025, 6, 8, 0)),
        ({"AcquisitionDate": "20250607", "ContentDate": "20250608"}, (2025, 6, 7, 0)),
        ({"ContentDate": "20250608", "SOPClassUID": uid.SecondaryCaptureImageStorage}, None),
        ({"StudyDate": "00010101", "AcquisitionDate": "20250607"}, (2025, 6, 7, 0)),
        ({"StudyDate": "2025.06.07"}, (2025, 6, 7, 0)),
        ({}, None),
        ({"StudyDate": "19010101"}, None),
        ({"StudyDate": "19000101"}, None),
        ({"StudyDate": "19700101"}, None),
        ({"StudyDate": "99991231", "StudyTime": "235959"}, None),
        ({"StudyDate": "2025-06-07"}, (2025, 6, 7, 0)),
        ({"StudyDate": "2025/06/07"}, (2025, 6, 7, 0)),
        ({"AcquisitionDateTime": "20250607080910.5+0545"}, (2025, 6, 7, 8, 9, 10, 500_000)),
        ({"AcquisitionDateTime": "20250607"}, (2025, 6, 7, 0)),
        ({"AcquisitionDateTime": "202506"}, None),
        ({"StudyDate": "07.06.2025"}, None),
        ({"StudyDate": "19691231"}, None),
        ({"StudyDate": "19040101"}, None),
        ({"StudyDate": "19800101"}, None),
    ],
)
def test_the_date_of_a_study(
    elements: dict[str, Any], at: tuple[int, ...] | None, send: Send
) -> None:
    absent: dict[str, Any] = {"StudyDate": "", "StudyTime": "", "PatientBirthDate": ""}
    assert send(dicom(**absent | elements)).verdict == "accepted"
    expected = None if at is None else datetime(*at, tzinfo=UTC)  # type: ignore[misc,arg-type]
    assert Study.objects.get().performed_at == expected


@pytest.mark.parametrize("born", ["00010101", "19000101", "19010101", "99991231"])
def test_a_placeholder_is_not_a_date_of_birth(born: str, send: Send) -> None:
    assert send(dicom(PatientBirthDate=born)).verdict == "accepted"
    assert Patient.objects.get().birth_date is None


@pytest.mark.parametrize(
    "word",
    ["UNKNOWN", "N/A", "0", "Anonymous", "00000000", "999999999", "XXXXX", "----", "Unknown Male"],
)
def test_a_placeholder_patient_id_does_not_merge_patients(word: str, send: Send) -> None:
    item = send(dicom(PatientID=word))
    assert (item.verdict, item.reason_code) == ("held", "no_identifier")
    assert not Patient.objects.exists()


@pytest.mark.parametrize("word", ["99999", "0001", "X", "TEST-1", "12E4", "1234.0", "10-12"])
def test_an_identifier_that_only_resembles_a_placeholder_is_kept(word: str, send: Send) -> None:
    assert send(dicom(PatientID=word)).verdict == "accepted"
    assert Patient.objects.get().patient_id == word


@pytest.mark.parametrize("word", ["1.23457E+11", "1,23457E+11", "#N/A", "#NAME?", "########"])
def test_a_patient_id_that_a_spreadsheet_has_rounded_does_not_merge_patients(
    word: str, send: Send
) -> None:
    """As files have it that were de-identified with a sheet."""
    item = send(dicom(PatientID=word))
    assert (item.verdict, item.reason_code) == ("held", "no_identifier")
    assert "spreadsheet" in str(item.reason)
    assert not Patient.objects.exists()
