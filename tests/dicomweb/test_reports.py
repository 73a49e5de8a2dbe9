"""Structured reports over DICOMweb: what of a read and of the model's results a caller is given."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pydicom
import pytest
from django.utils import timezone
from pydicom import uid
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.delivery.conftest import make_destination, send_all
from tests.delivery.test_documents import predecessor_of
from tests.dicomweb.conftest import STUDIES, Call, stow
from tests.dicomweb.test_retrieving import jpeg_dicom, parts_of
from tests.factories import make_prediction
from tests.helpers import audit_actions, let_time_pass
from tests.reading import add_addendum, entry, read, sign
from webportal.accounts.models import Role, User
from webportal.delivery import planning
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.inference.models import Prediction
from webportal.records.models import Radiograph
from webportal.records.services import change_patient
from webportal.review.models import Read, ReadingPreference
from webportal.review.reads.marks import Mark
from webportal.review.reads.services import Entry

__all__ = ["make_destination"]
MODALITY, SERIES, NUMBER = "00080060", "0020000E", "00200011"
INSTANCE, IN_SERIES, IN_STUDY = "00080018", "00201209", "00201208"
AI = [9003, 9004]
READ = [9001, 9002]
IN_PARTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture
def prediction(db: None) -> Prediction:
    """A likely result with a region."""
    return make_prediction()


def study_of(prediction: Prediction) -> str:
    return f"{STUDIES}/{prediction.radiograph.study.study_instance_uid}"


def reports(client: APIClient, prediction: Prediction, **keys: Any) -> list[int]:
    """The numbers of the series of reports in a study, which are those of no image."""
    response = client.get(f"{study_of(prediction)}/series", {"Modality": "SR"} | keys)
    assert response.status_code == 200, response.json()
    return [each[NUMBER]["Value"][0] for each in response.json()]


def instances(client: APIClient, prediction: Prediction) -> list[dict[str, Any]]:
    """The reports in a study, as a search returns them."""
    found = client.get(f"{study_of(prediction)}/instances", {"Modality": "SR"}).json()
    assert isinstance(found, list)
    return found


def file_at(client: APIClient, path: str) -> bytes:
    return b"".join(client.get(path, HTTP_ACCEPT="application/dicom"))


def paths(prediction: Prediction, found: list[dict[str, Any]]) -> list[str]:
    return [
        f"{study_of(prediction)}/series/{each[SERIES]['Value'][0]}"
        f"/instances/{each[INSTANCE]['Value'][0]}"
        for each in found
    ]


def test_a_radiologist_finds_and_retrieves_the_results_of_the_model(
    reader: APIClient, prediction: Prediction
) -> None:
    series = reader.get(f"{study_of(prediction)}/series").json()
    assert [each[MODALITY]["Value"][0] for each in series] == ["DX", "SR", "SR"]
    assert [each[IN_SERIES]["Value"][0] for each in series] == [1, 1, 1]
    found = instances(reader, prediction)
    shapes = set()
    for path in paths(prediction, found):
        [described] = reader.get(f"{path}/metadata").json()
        data = file_at(reader, path)
        dataset = pydicom.dcmread(BytesIO(data))
        assert dataset.to_json_dict().keys() <= described.keys()
        assert path.endswith(
            f"/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
        )
        shapes |= {each.value for each in dataset.iterall() if each.keyword == "GraphicType"}
    assert shapes == {"POLYLINE"}
    # The metadata say all of a report, too.
    assert audit_actions(action="report.opened") == ["report.opened"] * 4
    whole = reader.get(study_of(prediction), HTTP_ACCEPT=IN_PARTS)
    assert b"".join(whole).count(b"Content-Type: application/dicom") == 3


def test_they_are_the_documents_that_destinations_get(
    reader: APIClient, prediction: Prediction
) -> None:
    [path, _] = paths(prediction, instances(reader, prediction))
    data = file_at(reader, path)
    document = Document.objects.get(kind=DocumentKind.RESULT)
    assert bytes(document.content or b"") == data
    instances(reader, prediction)
    assert Document.objects.count() == 2


def test_what_was_retrieved_early_leaves_with_the_study_as_on_record(
    reader: APIClient, prediction: Prediction, make_destination: Callable[..., Destination]
) -> None:
    [path, _] = paths(prediction, instances(reader, prediction))
    study = prediction.radiograph.study
    early = file_at(reader, path)
    assert pydicom.dcmread(BytesIO(early)).AccessionNumber == ""
    study.accession_number = "A-77"
    study.save()
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    sent, *_ = send_all(destination)
    content = bytes(sent.document.content or b"")
    dataset = pydicom.dcmread(BytesIO(content))
    assert (dataset.AccessionNumber, sent.attempts) == ("A-77", 1)
    assert sent.document.sha256 == hashlib.sha256(content).hexdigest()
    assert path.endswith(dataset.SOPInstanceUID)
    assert file_at(reader, path) == content
    # From then on it stays as it was sent.
    study.accession_number = "A-78"
    study.save()
    document = Document.objects.get(pk=sent.document.pk)
    make(document, destination)
    assert bytes(document.content or b"") == content


def test_a_result_that_holds_again_is_the_document_that_destinations_then_get(
    reader: APIClient, prediction: Prediction, make_destination: Callable[..., Destination]
) -> None:
    make_destination(sends=[Content.RESULTS], results_when="at_once")
    _leave()
    [first, _] = instances(reader, prediction)
    later = timezone.now() + timedelta(days=1)
    Prediction.objects.update(purpose="outside", rejudged_at=later)
    _leave()
    assert instances(reader, prediction) == []
    Prediction.objects.update(purpose="within", rejudged_at=later)
    found = instances(reader, prediction)
    assert found[0][INSTANCE] != first[INSTANCE]
    _leave()
    assert instances(reader, prediction) == found
    last = Document.objects.filter(kind=DocumentKind.RESULT).latest("created_at")
    assert (found[0][INSTANCE]["Value"], last.revision) == ([last.sop_instance_uid], 1)


def test_a_read_names_the_result_beside_it_and_is_the_document_that_destinations_then_get(
    reader: APIClient,
    prediction: Prediction,
    radiologist: User,
    make_destination: Callable[..., Destination],
) -> None:
    make_destination(sends=[Content.READS, Content.RESULTS])
    read(prediction, radiologist, "definite")
    let_time_pass()
    of_read, result, _region = paths(prediction, instances(reader, prediction))
    report = pydicom.dcmread(BytesIO(file_at(reader, of_read)))
    assert result.rpartition("/")[2] == predecessor_of(report)
    _leave()
    document = Document.objects.get(kind=DocumentKind.REPORT)
    assert (document.sop_instance_uid, document.deliveries.count()) == (report.SOPInstanceUID, 1)


def _leave() -> None:
    """Let what is due arrive at each destination."""
    planning.plan()
    for document in Document.objects.all():
        make(document)
    arrived = {"state": DeliveryState.DELIVERED, "attempts": 1, "settled_at": timezone.now()}
    Delivery.objects.update(**arrived)


def test_a_study_in_a_compressed_syntax_has_its_reports_in_the_plain_one(
    reader: APIClient,
) -> None:
    stow(reader, jpeg_dicom())
    prediction = make_prediction(Radiograph.objects.get())
    whole = study_of(prediction)
    jpeg, plain = (
        f"application/dicom; transfer-syntax={each}"
        for each in (uid.JPEGBaseline8Bit, uid.ExplicitVRLittleEndian)
    )
    response = reader.get(whole, HTTP_ACCEPT=_in_parts(uid.JPEGBaseline8Bit))
    assert response.status_code == 200
    parts = parts_of(response)
    assert [content_type for content_type, _ in parts] == [jpeg, plain, plain]
    [_image, *reports_] = [pydicom.dcmread(BytesIO(content)) for _, content in parts]
    assert {each.file_meta.TransferSyntaxUID for each in reports_} == {uid.ExplicitVRLittleEndian}
    # Reports alone are not what the caller asked for.
    assert reader.get(whole, HTTP_ACCEPT=_in_parts(uid.JPEGLSLossless)).status_code == 406
    [path, _] = paths(prediction, instances(reader, prediction))
    assert reader.get(path, HTTP_ACCEPT=_in_parts(uid.JPEGBaseline8Bit)).status_code == 406


def _in_parts(syntax: str) -> str:
    return f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'


def test_an_image_is_retrieved_without_making_reports(
    reader: APIClient, prediction: Prediction
) -> None:
    [image] = reader.get("/dicom-web/instances").json()
    series, instance = (image[each]["Value"][0] for each in (SERIES, INSTANCE))
    path = f"{study_of(prediction)}/series/{series}/instances/{instance}"
    assert pydicom.dcmread(BytesIO(file_at(reader, path))).SOPInstanceUID == instance
    assert len(reader.get(f"{path}/metadata").json()) == 1
    assert not Document.objects.exists()


def test_they_name_the_patient_on_record(reader: APIClient, prediction: Prediction) -> None:
    instances(reader, prediction)
    patient = prediction.radiograph.study.patient
    patient.name = "Corrected^Asha"
    patient.save()
    [path, _] = paths(prediction, instances(reader, prediction))
    data = file_at(reader, path)
    assert pydicom.dcmread(BytesIO(data)).PatientName == "Corrected^Asha"


def test_a_search_matches_them_by_their_keys_and_pages_through_them(
    reader: APIClient, prediction: Prediction
) -> None:
    assert reports(reader, prediction) == AI
    assert reports(reader, prediction, SeriesNumber="9004") == [9004]
    assert reports(reader, prediction, SeriesDescription="AI*") == AI
    assert reports(reader, prediction, SeriesDescription="AI") == []
    assert reports(reader, prediction, SeriesDescription="AI ?e*, not verified") == AI
    assert reports(reader, prediction, SeriesDescription="[A]*") == []
    # Tried out one by one, what these may stand for would take hours.
    assert reports(reader, prediction, SeriesDescription="*" * 60 + "!") == []
    assert reports(reader, prediction, BodyPartExamined="CHEST") == []
    patient = prediction.radiograph.study.patient.patient_id
    assert reports(reader, prediction, PatientID=patient) == AI
    assert reports(reader, prediction, PatientID="another") == []
    found = instances(reader, prediction)
    uid = found[1][INSTANCE]["Value"][0]
    path = f"{study_of(prediction)}/instances"
    assert len(reader.get(path, {"SOPInstanceUID": uid}).json()) == 1
    assert len(reader.get(path, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}).json()) == 2
    first = reader.get(path, {"limit": 2})
    assert "There are 1 additional" in first["Warning"]
    rest = reader.get(path, {"limit": 2, "offset": 2})
    assert "Warning" not in rest
    numbers = [each[INSTANCE]["Value"][0] for each in (*first.json(), *rest.json())]
    assert numbers[1:] == [each[INSTANCE]["Value"][0] for each in found]
    # In a search of all studies nothing tells that there is a result.
    assert reader.get(STUDIES).json()[0][IN_STUDY]["Value"] == [1]
    assert reader.get("/dicom-web/series", {"Modality": "SR"}).json() == []


def test_a_released_read_is_there_with_its_marks_and_an_addendum_replaces_it(
    reader: APIClient, prediction: Prediction, radiologist: User
) -> None:
    marks = (Mark(prediction.radiograph.pk, "pneumonia", 5, 6, 20, 21),)
    signed = read(prediction, radiologist, "definite", marks=marks)
    assert reports(reader, prediction) == AI
    let_time_pass()
    assert reports(reader, prediction) == [*READ, *AI]
    [before, *_] = instances(reader, prediction)
    add_addendum(
        Read.objects.get(pk=signed.pk), radiologist, "Clinical", "Known since May.", PASSWORD
    )
    [after, *_] = instances(reader, prediction)
    assert after[INSTANCE] != before[INSTANCE]
    assert after[SERIES] == before[SERIES]
    patient = prediction.radiograph.study.patient
    change_patient(patient, {"name": "Right^Name"}, radiologist, "The wrong order was chosen.")
    assert reports(reader, prediction) == AI


def test_an_uploader_finds_only_images(
    calling: Call, make_user: Any, reader: APIClient, prediction: Prediction
) -> None:
    uploader = calling(make_user(Role.UPLOADER))
    [path, _] = paths(prediction, instances(reader, prediction))
    assert reports(uploader, prediction) == []
    assert len(uploader.get(f"{study_of(prediction)}/instances").json()) == 1
    assert uploader.get(path).status_code == 403


@pytest.mark.parametrize("is_blind", [True, False])
def test_a_second_reader_gets_neither_the_first_read_nor_where_blind_the_results(
    calling: Call,
    make_user: Any,
    prediction: Prediction,
    settings: Settings,
    is_blind: bool,
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    settings.SECOND_READING_BLIND_TO_AI = is_blind
    first, second = (make_user(Role.RADIOLOGIST, username=each) for each in ("one", "two"))
    one, other = calling(first), calling(second)
    all_of_it = paths(prediction, instances(one, prediction))
    read(prediction, first, "definite", marks=(Mark(prediction.radiograph.pk, "pneumonia", 5, 6),))
    let_time_pass()
    assert reports(one, prediction) == AI
    assert reports(other, prediction) == ([] if is_blind else AI)
    for path in all_of_it:
        for rest in ("", "/metadata"):
            status = other.get(path + rest, HTTP_ACCEPT="*/*").status_code
            assert status == (404 if is_blind else 200)
    described = other.get(f"{study_of(prediction)}/metadata").json()
    assert len(described) == (1 if is_blind else 3)
    seen = entry(prediction, "definite")
    mine = Entry(None, "unaided", "definite") if is_blind else seen
    sign(prediction.radiograph.study, second, mine, PASSWORD)
    let_time_pass()
    assert reports(other, prediction)[-2:] == AI
    assert reports(other, prediction)[0] == READ[0]


def test_readers_who_read_first_get_the_results_once_they_have_signed(
    reader: APIClient, prediction: Prediction, radiologist: User
) -> None:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    assert reports(reader, prediction) == []
    read(prediction, radiologist, "definite")
    assert reports(reader, prediction) == AI
