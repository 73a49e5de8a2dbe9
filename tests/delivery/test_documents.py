"""The documents themselves, against the definitions of DICOM."""

import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from django.utils import timezone
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset

from tests import dicom_files
from tests.conftest import PASSWORD
from tests.factories import make_patient, make_prediction, make_radiograph, make_study, replace_file
from tests.helpers import let_time_pass
from tests.reading import add_addendum, entry, read, sign
from webportal.accounts.models import User
from webportal.delivery.documents import captures
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.planning import plan
from webportal.review.models import Read
from webportal.review.reads.marks import Mark
from webportal.review.reads.measurements import Measurement

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]


def made(kind: str) -> FileDataset:
    """The latest document of a kind, made now."""
    document = Document.objects.filter(kind=kind).latest("created_at")
    make(document)
    assert document.content is not None
    return pydicom.dcmread(BytesIO(bytes(document.content)))


def check(dataset: FileDataset, tmp_path: Path) -> str:
    """Check a document with dciodvfy and dsrdump; return the latter's text."""
    path = tmp_path / "document.dcm"
    dataset.save_as(path, enforce_file_format=True)
    dciodvfy = Path(sys.executable).parent / "dciodvfy"
    done = subprocess.run([dciodvfy, path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    if shutil.which("dsrdump") is None:
        pytest.skip("dcmtk is not installed")
    dump = subprocess.run(["dsrdump", "+U8", "+Pl", path], check=False, capture_output=True)
    assert dump.returncode == 0, dump.stderr
    return dump.stdout.decode()


def findings_of(dataset: Dataset) -> list[str]:
    """The meanings of the findings of measurement groups, which viewers list."""
    items = [item for each in dataset.iterall() if each.VR == "SQ" for item in each.value]
    return [
        item.ConceptCodeSequence[0].CodeMeaning
        for item in items
        if "ConceptNameCodeSequence" in item
        and item.ConceptNameCodeSequence[0].CodeMeaning == "Finding"
    ]


def codes_of(dataset: Dataset) -> set[str]:
    return {element.value for element in dataset.iterall() if element.keyword == "CodeValue"}


def test_a_result_is_a_report_of_its_own_that_nobody_verified(
    make_destination: Make, tmp_path: Path
) -> None:
    make_destination(results_when="at_once")
    prediction = make_prediction()
    plan()
    report = made(DocumentKind.RESULT)
    text = check(report, tmp_path)
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert "Probably present" in text
    assert '"Certainty of Finding")="93.0" (%' in text
    assert "111047" not in codes_of(report)  # probability of cancer
    assert "SCOORD" not in {e.value for e in report.iterall() if e.keyword == "ValueType"}
    model = report.ContributingEquipmentSequence[0]
    assert model.ManufacturerModelName == "Test model"
    assert model.SoftwareVersions == prediction.model_version.version
    assert '"Algorithm Version")="test-1"' in text
    assert report.StudyInstanceUID == prediction.radiograph.study.study_instance_uid
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    image = evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert image == prediction.radiograph.sop_instance_uid

    region = made(DocumentKind.RESULT_REGION)
    check(region, tmp_path)
    assert region.SeriesInstanceUID != report.SeriesInstanceUID
    shapes = [e.value for e in region.iterall() if e.keyword == "GraphicType"]
    assert shapes == ["POLYLINE"]


def test_a_read_is_verified_by_its_reader_and_names_the_one_before(
    make_destination: Make, radiologist: User, tmp_path: Path
) -> None:
    make_destination()
    radiologist.full_name = "Asha Shrestha"
    radiologist.save()
    prediction = make_prediction()
    image = prediction.radiograph
    marks = (Mark(image.pk, "pneumonia", 5, 6, 20, 21), Mark(image.pk, "other", 5, 6))
    signed = read(
        prediction,
        radiologist,
        "definite",
        zones=("right_lower",),
        other_findings=("effusion", "other"),
        marks=marks,
        measurements=(Measurement(image.pk, "length", ((10.0, 10.0), (40.0, 30.0))),),
        comment="A dense opacity.\nनिमोनिया",
    )
    let_time_pass()
    plan()
    report = made(DocumentKind.REPORT)
    text = check(report, tmp_path)
    assert report.VerificationFlag == "VERIFIED"
    observer = report.VerifyingObserverSequence[0]
    assert observer.VerifyingObserverName == "Asha Shrestha^"
    assert "A dense opacity." in text
    assert "Length on image 1: " in text
    assert {"233604007", "60046008", "24028007", "281394001"} <= codes_of(report)
    assert "PredecessorDocumentsSequence" not in report

    drawn = made(DocumentKind.REPORT_MARKS)
    check(drawn, tmp_path)
    shapes = [e.value for e in drawn.iterall() if e.keyword == "GraphicType"]
    assert shapes == ["POLYLINE", "POINT"]

    signed = Read.objects.get(pk=signed.pk)
    add_addendum(signed, radiologist, "Clinical", "Known since May.", PASSWORD)
    plan()
    later = made(DocumentKind.REPORT)
    assert "Known since May." in check(later, tmp_path)
    assert later.SOPInstanceUID != report.SOPInstanceUID
    assert later.SeriesInstanceUID == report.SeriesInstanceUID
    assert len(later.VerifyingObserverSequence) == 2
    before = later.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert before.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == report.SOPInstanceUID


@pytest.mark.parametrize(
    ("finding", "others", "listed", "certainty"),
    [
        ("none", (), [], "Absent"),
        ("none", ("effusion",), ["Pleural effusion"], "Absent"),
        ("possible", (), ["Pneumonia"], "Possible"),
        ("definite", (), ["Pneumonia"], "Present"),
    ],
)
def test_a_group_says_how_certain_its_finding_is_and_none_is_of_what_is_absent(
    make_destination: Make,
    radiologist: User,
    tmp_path: Path,
    finding: str,
    others: tuple[str, ...],
    listed: list[str],
    certainty: str,
) -> None:
    make_destination()
    read(make_prediction(), radiologist, finding, other_findings=others)
    let_time_pass()
    plan()
    report = made(DocumentKind.REPORT)
    text = check(report, tmp_path)
    assert findings_of(report) == listed
    said = f'"Pneumonia")=({{}},SCT,"{certainty}")'.split("{}")[1]
    # Once for the document, and in the group if there is one.
    assert text.count(said) == 1 + ("Pneumonia" in listed)


def test_an_unlikely_result_is_no_finding(make_destination: Make, tmp_path: Path) -> None:
    make_destination(results_when="at_once")
    make_prediction(category="unlikely", probability=0.031)
    plan()
    report = made(DocumentKind.RESULT)
    text = check(report, tmp_path)
    assert findings_of(report) == []
    assert "Probably not present" in text
    assert "Probability of pneumonia: 3 %" in text


@pytest.mark.parametrize("name", ["Tamang", "Tamang=तामाङ", "Ram Tamang"])
def test_a_name_of_one_part_is_not_quoted_in_the_logs(
    make_destination: Make, radiologist: User, name: str
) -> None:
    make_destination(sends=list(Content))
    study = make_study(patient=make_patient(name=name))
    read(make_prediction(make_radiograph(study, size=(300, 240))), radiologist, "definite")
    let_time_pass()
    plan()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = {
            str(made(kind).PatientName)
            for kind in (DocumentKind.REPORT, DocumentKind.RESULT, DocumentKind.CAPTURE)
        }
    assert names == {"^=".join(name.split("=")) if "=" in name else f"{name}^"}


def test_a_study_that_cannot_be_read_says_so_without_a_finding(
    make_destination: Make, radiologist: User, tmp_path: Path
) -> None:
    make_destination()
    prediction = make_prediction()
    unreadable = entry(prediction, "", comment="Cut off.")
    sign(
        prediction.radiograph.study,
        radiologist,
        replace(unreadable, decision="not_interpretable"),
        PASSWORD,
    )
    let_time_pass()
    plan()
    report = made(DocumentKind.REPORT)
    check(report, tmp_path)
    assert "111235" in codes_of(report)
    assert "233604007" not in codes_of(report)


def test_a_document_names_the_patient_on_record_and_not_the_one_in_the_file(
    make_destination: Make, tmp_path: Path
) -> None:
    make_destination(results_when="at_once")
    patient = make_patient(patient_id="RIGHT-1", name="शर्मा^राम", issuer="HOSPITAL")
    day = datetime(2024, 3, 1, tzinfo=timezone.get_default_timezone())
    study = make_study(patient=patient, accession_number="A-77", performed_at=day)
    image = make_radiograph(study)
    file = dicom_files.dataset(
        dicom_files.phantom(),
        PatientID="WRONG",
        PatientName="Wrong^Name",
        SOPInstanceUID=image.sop_instance_uid,
        StudyInstanceUID=uid.generate_uid(),
    )
    replace_file(image, dicom_files.file_bytes(file))
    make_prediction(image)
    plan()
    report = made(DocumentKind.RESULT)
    check(report, tmp_path)
    assert (report.PatientID, str(report.PatientName)) == ("RIGHT-1", "शर्मा^राम")
    assert report.IssuerOfPatientID == "HOSPITAL"
    assert report.AccessionNumber == "A-77"
    assert report.StudyInstanceUID == study.study_instance_uid
    # The file says 29 February.
    assert (report.StudyDate, report.StudyTime) == ("20240301", "")


def test_a_file_without_preamble_and_with_odd_dates_is_a_source(
    make_destination: Make, tmp_path: Path
) -> None:
    make_destination(results_when="at_once")
    image = make_radiograph()
    file = dicom_files.dataset(dicom_files.phantom(), SOPInstanceUID=image.sop_instance_uid)
    data = dicom_files.file_bytes(file)
    wrong = data[132:].replace(b"20240229", b"2024-2-9")
    replace_file(image, wrong)
    make_prediction(image)
    plan()
    check(made(DocumentKind.RESULT), tmp_path)


def test_marks_that_an_amended_read_has_no_more_are_superseded(
    make_destination: Make, radiologist: User, tmp_path: Path
) -> None:
    make_destination()
    prediction = make_prediction()
    mark = Mark(prediction.radiograph.pk, "pneumonia", 5, 6, 20, 21)
    signed = read(prediction, radiologist, "definite", marks=(mark,))
    let_time_pass()
    plan()
    drawn = made(DocumentKind.REPORT_MARKS)
    Delivery.objects.update(state=DeliveryState.DELIVERED, attempts=1, settled_at=timezone.now())
    read(prediction, radiologist, "definite", amends=signed.pk, reason="Looked again")
    let_time_pass()
    plan()
    assert Document.objects.filter(kind=DocumentKind.REPORT_MARKS).count() == 2
    empty = made(DocumentKind.REPORT_MARKS)
    assert "The present read has no marks." in check(empty, tmp_path)
    assert "GraphicType" not in {element.keyword for element in empty.iterall()}
    assert predecessor_of(empty) == drawn.SOPInstanceUID


def test_a_region_that_a_new_result_has_no_more_is_superseded(
    make_destination: Make, tmp_path: Path
) -> None:
    make_destination(results_when="at_once")
    former = make_prediction()
    plan()
    result, region = made(DocumentKind.RESULT), made(DocumentKind.RESULT_REGION)
    Delivery.objects.update(state=DeliveryState.DELIVERED, attempts=1, settled_at=timezone.now())
    former.is_current = False
    former.save()
    make_prediction(former.radiograph, category="unlikely")
    plan()
    empty = made(DocumentKind.RESULT_REGION)
    assert "The present result has no region." in check(empty, tmp_path)
    assert predecessor_of(empty) == region.SOPInstanceUID
    assert predecessor_of(made(DocumentKind.RESULT)) == result.SOPInstanceUID


def predecessor_of(report: Dataset) -> str:
    series = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def test_a_capture_says_on_the_picture_that_nobody_verified_it(
    make_destination: Make, tmp_path: Path
) -> None:
    make_destination(sends=["captures"], results_when="at_once")
    prediction = make_prediction(make_radiograph(size=(700, 560)))
    plan()
    assert set(Document.objects.values_list("kind", flat=True)) == {DocumentKind.CAPTURE}
    image = made(DocumentKind.CAPTURE)
    path = tmp_path / "capture.dcm"
    image.save_as(path, enforce_file_format=True)
    dciodvfy = Path(sys.executable).parent / "dciodvfy"
    done = subprocess.run([dciodvfy, path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert image.BurnedInAnnotation == "YES"
    assert image.Modality == "OT"
    assert image.ContributingEquipmentSequence[0].SoftwareVersions == "test-1"
    assert image.SeriesInstanceUID != prediction.radiograph.series
    pixels = image.pixel_array
    assert pixels.shape[2] == 3
    # The words stand above the picture, which keeps its size.
    assert pixels.shape[0] > 700
    assert pixels.shape[1] == 560


def test_a_capture_without_a_heat_map_explains_no_colours() -> None:
    # Wide enough for the largest font, so that each line has the same height.
    radiograph = make_radiograph(size=(700, 1024))
    with_map = captures.drawn(make_prediction(radiograph))
    without = captures.drawn(make_prediction(radiograph, heatmap=b"", heatmap_rows=0))
    margins = 20
    assert (with_map.height - 700 - margins) * 3 == (without.height - 700 - margins) * 4
