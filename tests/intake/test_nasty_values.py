"""No value in one file stops another: each file of a ZIP gets its verdict."""

import inspect
import io
import re
from collections.abc import Iterator

import pytest
from django.db import connection
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pytest_django.fixtures import Settings

from ml.images import dicom
from ml.images.dicom import IDENTIFYING
from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import zip_of
from webportal.accounts.models import User
from webportal.intake import pipeline
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.records.models import Radiograph

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Unknown encoding"),
]

TEXTS = [
    b"\0A",
    b"A\0B",
    b"A\\B",
    b"\\",
    b"A\r\nB",
    b"\xff\xfe\xfd",
    b"\x1b$B\x1b",
    b"A" * 65,
    b"A" * 300,
    b"A" * 5000,
    "P\u200b1".encode(),
    "\U0010ffff".encode(),
    b"\xed\xa0\x80",
    b"'; DROP TABLE records_patient; --",
]
UIDS = [b"1.2\0.3", b"1.2\\1.3", b"1" * 65, b"1.2.x", b"", b"\xff", b"A" * 3000]
DATES = [
    b"00000000",
    b"00010101",
    b"00010102",
    b"10000101",
    b"19010101",
    b"20820810",
    b"99991231",
    b"20260230",
    b"20261301",
    b"2026-01-01",
    b"\0\0\0\0\0\0\0\0",
    b"abcdefgh",
    b"20260101\\20260102",
    b"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6",
]
TIMES = [b"235960", b"250000", b"99", b"1", b"235959.999999", b"\xff", b"12\\13", b"101112.1234567"]
NUMBERS = [b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff", b""]
# Nothing that is written in these may cost the file, so a few of the worst are enough.
OTHER_TEXTS = [b"A\0B", b"A\\B", b"A" * 5000, b"\xff\x1b$B"]
OTHERS = [
    "SpecificCharacterSet",
    "PatientSex",
    "PatientAge",
    "StudyDescription",
    "ReferringPhysicianName",
    "Modality",
    "ViewPosition",
    "ImageLaterality",
    "BodyPartExamined",
    "PresentationIntentType",
    "PhotometricInterpretation",
    "PatientOrientation",
    "NumberOfFrames",
    "Laterality",
    "SeriesDescription",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "InstitutionName",
]
VALUES = {
    **dict.fromkeys(IDENTIFYING, TEXTS),
    **dict.fromkeys(OTHERS, OTHER_TEXTS),
    **dict.fromkeys(["SOPInstanceUID", "StudyInstanceUID"], UIDS),
    **dict.fromkeys(["SOPClassUID", "SeriesInstanceUID"], UIDS[-3:]),
    **dict.fromkeys(["PatientBirthDate", "StudyDate"], DATES),
    **dict.fromkeys(["AcquisitionDate", "AcquisitionDateTime", "ContentDate"], DATES[1:3]),
    "StudyTime": TIMES,
    **dict.fromkeys(["AcquisitionTime", "ContentTime"], TIMES[-3:]),
    **dict.fromkeys(
        [
            "Rows",
            "Columns",
            "BitsStored",
            "BitsAllocated",
            "SamplesPerPixel",
            "SeriesNumber",
            "InstanceNumber",
        ],
        NUMBERS,
    ),
}


def test_every_element_that_is_read_has_nasty_values() -> None:
    """One that is stored and not cut to the length of its column would cost the file."""
    texts = re.findall(r'"([A-Z]\w+)"', inspect.getsource(dicom._facts))
    of_the_meta_header = {"TransferSyntaxUID", "SourceApplicationEntityTitle"}
    assert set(texts) - of_the_meta_header - set(VALUES) == set()


def nasty(keyword: str, value: bytes, number: int) -> bytes:
    """A file with these bytes in place of an element's value."""
    pixels = files.phantom(size=(128, 128), seed=number)
    ds = files.dataset(pixels, SpecificCharacterSet="ISO_IR 192")
    if keyword in ("AcquisitionDate", "AcquisitionDateTime", "ContentDate"):
        ds.StudyDate = ""
    padded = value + (b"\0" if keyword.endswith("UID") else b" ") * (len(value) % 2)
    vr = dictionary_VR(keyword).split(" or ")[0]
    mark = b"~" * len(padded)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    # Bytes that pydicom would not write, written as another text and replaced.
    tag = tag_for_keyword(keyword)
    assert tag is not None
    ds[tag] = DataElement(tag, "LO", mark.decode())
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    head = tag.to_bytes(4, "big")
    explicit = head[1::-1] + head[:1:-1]
    size = len(mark).to_bytes(2, "little")
    written = explicit + b"LO" + size + mark
    data = buffer.getvalue()
    assert data.count(written) == 1
    return data.replace(written, explicit + vr.encode() + size + padded)


def verdicts_of(
    values: list[bytes], keyword: str, batch: UploadBatch, by: User
) -> list[UploadItem]:
    members = {f"{i:02}__dcm": nasty(keyword, value, i) for i, value in enumerate(values)}
    archive = zip_of(**members, zz_good__dcm=files.dicom(files.phantom(seed=99), PatientID="GOOD"))
    return pipeline.receive_file(batch, "all.zip", io.BytesIO(archive), by)


@pytest.mark.parametrize("keyword", VALUES)
def test_every_file_gets_a_verdict(
    keyword: str, batch: UploadBatch, uploader: User, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    values = VALUES[keyword]
    items = verdicts_of(values, keyword, batch, uploader)
    assert len(items) == len(values) + 1
    assert items[-1].verdict == Verdict.ACCEPTED
    for item in items[:-1]:
        assert item.verdict in Verdict.values
        assert item.reason_code != "internal_error", (keyword, values[items.index(item)])
        assert item.verdict != Verdict.REFUSED or item.reason


def test_the_last_second_of_all_days_west_of_greenwich(
    batch: UploadBatch, uploader: User, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/New_York"
    data = files.dicom(files.phantom(), StudyDate="99991231", StudyTime="235959")
    (item,) = pipeline.receive_file(batch, "last.dcm", io.BytesIO(data), uploader)
    assert item.verdict == Verdict.ACCEPTED
    assert item.radiograph is not None
    assert item.radiograph.study.performed_at is None


@pytest.fixture
def _database_refuses_bad() -> Iterator[None]:
    """Let the database refuse the Patient ID BAD as a value out of range."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION refuse_bad() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'out of range' USING ERRCODE = 'datetime_field_overflow'; END $$;
            CREATE TRIGGER refuse_bad BEFORE INSERT ON records_patient FOR EACH ROW
            WHEN (NEW.patient_id = 'BAD') EXECUTE FUNCTION refuse_bad();
            """
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse_bad ON records_patient; DROP FUNCTION refuse_bad")


@pytest.mark.usefixtures("_database_refuses_bad")
def test_a_value_that_the_database_rejects_affects_only_that_file(
    batch: UploadBatch, uploader: User
) -> None:
    archive = zip_of(
        a__dcm=files.dicom(files.phantom(seed=1), PatientID="BAD"),
        b__dcm=files.dicom(files.phantom(seed=2), PatientID="GOOD"),
    )
    items = pipeline.receive_file(batch, "all.zip", io.BytesIO(archive), uploader)
    assert [item.verdict for item in items] == ["refused", "accepted"]
    assert items[0].reason_code == "internal_error"
    assert audit_actions().count("file.refused") == 1
    assert Radiograph.objects.count() == 1
