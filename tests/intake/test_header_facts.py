"""Whatever is read from the header is kept in the records; what is forgotten is found here."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import pytest
from django.db import models
from pydicom.dataset import Dataset

from ml import images
from tests import dicom_files as files
from tests.intake.conftest import Send
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db

# Read to check and to show the image; the file itself keeps them.
NOT_KEPT = {
    "kind",
    "samples_per_pixel",
    "number_of_frames",
    "photometric_interpretation",
    "transfer_syntax_uid",
    "presentation_intent_type",
    "content_date",
    "content_time",
    "unreadable_birth_date",
    "doubtful_letters",
    "character_set",
}


def full_header() -> bytes:
    """A file in which each fact that is kept has a value of its own."""
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator = "399348003", "SCT"
    view.CodeMeaning = "antero-posterior"
    dataset = files.dataset(
        files.phantom(),
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.4",
        SeriesNumber=815,
        SeriesDescription="Thorax series",
        InstanceNumber=4711,
        Modality="DX",
        ViewPosition="AP",
        ImageLaterality="U",
        BodyPartExamined="CHEST",
        ViewCodeSequence=[view],
        PatientID="P-17",
        IssuerOfPatientID="TOWN",
        PatientName="Phantom^Full",
        PatientBirthDate="20200110",
        PatientSex="F",
        PatientAge="004Y",
        AccessionNumber="ACC-9",
        StudyDate="20240229",
        StudyTime="101500",
        StudyDescription="Chest in one plane",
        ReferringPhysicianName="Sender^Susan",
        AcquisitionDate="20240301",
        AcquisitionTime="101530",
        Manufacturer="Phantom Works",
        ManufacturerModelName="P-1",
        StationName="ROOM1",
        InstitutionName="Town Hospital",
    )
    dataset.file_meta.SourceApplicationEntityTitle = "MODALITY1"
    return files.file_bytes(dataset)


def values_of(record: models.Model) -> dict[str, Any]:
    return {field.name: getattr(record, field.attname) for field in record._meta.concrete_fields}


def test_every_fact_of_the_header_is_in_the_records(send: Send) -> None:
    data = full_header()
    item = send(data)
    assert item.radiograph is not None, item.reason
    radiograph = Radiograph.objects.select_related("study__patient", "series").get()
    assert radiograph.series is not None
    kept: list[Any] = []
    for record in (radiograph, radiograph.series, radiograph.study, radiograph.study.patient):
        for value in values_of(record).values():
            kept += [value.date(), value.time()] if isinstance(value, datetime) else [value]
    facts = images.describe(data)
    expected = {
        field.name: getattr(facts, field.name)
        for field in fields(facts)
        if field.name not in NOT_KEPT
    }
    expected["codes"] = [asdict(code) for code in facts.codes]
    assert [name for name, value in expected.items() if not value] == [], "full_header lacks these"
    assert len({repr(value) for value in expected.values()}) == len(expected)
    assert [name for name, value in expected.items() if value not in kept] == []


def test_every_column_of_image_and_series_is_filled_from_a_full_header(send: Send) -> None:
    send(full_header())
    radiograph = Radiograph.objects.get()
    assert radiograph.series is not None
    for record in (radiograph, radiograph.series):
        empty = [name for name, value in values_of(record).items() if value in (None, "", [])]
        assert empty == []
