"""File types of images, and their headers."""

import io
from typing import Any

import numpy as np
import pytest
from pydicom import uid

from ml import images
from tests import dicom_files as files


def test_describe_reads_the_header_of_a_dicom_file() -> None:
    facts = images.describe(
        files.dicom(
            files.phantom(12),
            12,
            IssuerOfPatientID="HOSPITAL",
            ViewPosition="PA",
            ReferringPhysicianName="Doe^Jane",
            StudyDescription="Chest",
        )
    )
    assert (facts.kind, facts.rows, facts.columns, facts.bits_stored) == ("dicom", *files.SIZE, 12)
    assert (facts.patient_id, facts.issuer_of_patient_id) == ("PHANTOM-1", "HOSPITAL")
    assert facts.patient_name == "Phantom^One"
    assert str(facts.patient_birth_date) == "1970-01-01"
    assert (str(facts.study_date), str(facts.study_time)) == ("2024-02-29", "10:11:12")
    assert (facts.modality, facts.view_position, facts.study_description) == ("CR", "PA", "Chest")
    assert facts.referring_physician_name == "Doe^Jane"
    assert facts.sop_class_uid == uid.ComputedRadiographyImageStorage


def test_describe_survives_values_that_break_their_rules() -> None:
    ds = files.dataset(files.phantom())
    ds.add_new("PatientBirthDate", "DA", "")
    data = files.file_bytes(ds).replace(b"20240229", b"20249999")
    facts = images.describe(data)
    assert facts.patient_birth_date is None
    assert facts.study_date is None
    assert facts.patient_id == "PHANTOM-1"


@pytest.mark.parametrize(
    ("make", "bits", "samples"),
    [
        (lambda: files.png(files.phantom()), 8, 1),
        (lambda: files.png(files.phantom(16)), 16, 1),
        (lambda: files.png(files.phantom(), "RGB"), 8, 3),
        (lambda: files.jpeg(files.phantom()), 8, 1),
        (lambda: files.jpeg(files.phantom(), "RGB"), 8, 3),
    ],
)
def test_describe_reads_the_header_of_a_png_or_jpeg(make: Any, bits: int, samples: int) -> None:
    facts = images.describe(make())
    assert (facts.rows, facts.columns) == files.SIZE
    assert (facts.bits_stored, facts.samples_per_pixel) == (bits, samples)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (files.png(files.phantom()), "png"),
        (files.jpeg(files.phantom()), "jpeg"),
        (files.dicom(files.phantom()), "dicom"),
        (b"PK\x03\x04rest", "zip"),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
    # Ids that are the same in every process; of the data they would hold its new UIDs.
    ids=["png", "jpeg", "dicom", "zip", "pdf", "empty"],
)
def test_sniff_detects_by_content(data: bytes, kind: str | None) -> None:
    assert images.sniff(data) == kind
    file = io.BytesIO(data)
    file.seek(0, io.SEEK_END)
    assert images.sniff_file(file) == kind
    assert file.read() == data


@pytest.mark.parametrize("vr", [b"U\x80", b"UL", b"AT"])
def test_an_unreadable_element_of_the_file_meta_information_costs_nothing(vr: bytes) -> None:
    good = files.dicom(files.phantom())
    sop_class = b"\x02\x00\x02\x00"
    spoilt = good.replace(sop_class + b"UI", sop_class + vr, 1)
    assert spoilt != good
    assert images.describe(spoilt) == images.describe(good)
    assert np.array_equal(images.read(spoilt).pixels, images.read(good).pixels)


def test_an_empty_element_of_unknown_vr_costs_nothing() -> None:
    data = files.dicom(files.phantom(), PatientBirthDate="")
    empty = b"\x10\x00\x30\x00DA\x00\x00"
    assert empty in data
    facts = images.describe(data.replace(empty, b"\x10\x00\x30\x00D\x00\x00\x00"))
    assert facts == images.describe(data)
