"""What was sent for the wrong patient is retracted, and sent again for the right one."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pydicom import dcmread
from pydicom.uid import KeyObjectSelectionDocumentStorage

from tests.delivery.conftest import Orthanc, StoreScp, send_all
from tests.delivery.fhir_peer import FhirServer, Json, faults
from tests.delivery.test_documents import check
from tests.delivery.test_hl7 import Receiver, make_receiver
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import let_time_pass
from tests.reading import read
from webportal.accounts.models import User
from webportal.delivery import attempts, outbox, planning
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    DocumentKind,
    MovedStudy,
    Protocol,
)
from webportal.delivery.senders.outcome import Sender, SendOutcome, delivered
from webportal.inference.models import Prediction
from webportal.records.identity import identity_version
from webportal.records.models import IdentityCorrection, Patient, Study
from webportal.records.services import change_patient
from webportal.review.models import Read
from webportal.review.study.case_records import assign_known_patient

__all__ = ["make_receiver"]
pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
MakeServer = Callable[..., FhirServer]


@pytest.fixture
def prediction() -> Prediction:
    wrong = make_patient(patient_id="WRONG-1", issuer="TEST", name="Wrong^Person")
    return make_prediction(make_radiograph(make_study(patient=wrong)))


def move(prediction: Prediction, by: User) -> Patient:
    """The study turns out to be another patient's."""
    right = make_patient(patient_id="RIGHT-1", issuer="TEST", name="Right^Person")
    study = Study.objects.get(pk=prediction.radiograph.study_id)
    assign_known_patient(study, right, identity_version(right), by, "The wrong order was chosen.")
    return right


def amend(signed: Read, prediction: Prediction, by: User) -> None:
    # The signature grows older below, and must not be older than the correction.
    IdentityCorrection.objects.update(at=F("at") - timedelta(minutes=1))
    fresh = Prediction.objects.get(pk=prediction.pk)
    read(fresh, by, "definite", amends=signed.pk, reason="Right patient")
    let_time_pass()


def patients(resources: list[Json]) -> set[tuple[str, str]]:
    """Patient ID and status of the resources that have both."""
    return {
        (each["subject"]["identifier"]["value"], each["status"])
        for each in resources
        if "subject" in each
    }


def test_a_pacs_gets_a_rejection_note_and_the_results_of_the_right_patient(
    prediction: Prediction,
    make_destination: Make,
    store_scp: StoreScp,
    radiologist: User,
    tmp_path: Path,
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=[*Content], results_when="at_once")
    before = send_all(destination)
    assert {row.state for row in before} == {DeliveryState.DELIVERED}
    move(prediction, radiologist)
    rows = send_all(destination)[len(before) :]
    assert [(row.document.kind, row.state) for row in rows] == [
        (DocumentKind.RETRACTION, DeliveryState.DELIVERED),
        (DocumentKind.RESULT, DeliveryState.DELIVERED),
        (DocumentKind.RESULT_REGION, DeliveryState.DELIVERED),
        (DocumentKind.CAPTURE, DeliveryState.DELIVERED),
    ]
    came = {each.SOPInstanceUID: each for each in store_scp.received()}
    note, *resent = [came[row.document.sop_instance_uid] for row in rows]
    assert note.SOPClassUID == KeyObjectSelectionDocumentStorage
    assert "Rejected for Patient Safety Reasons" in check(note, tmp_path)
    assert (note.PatientID, str(note.PatientName)) == ("WRONG-1", "Wrong^Person")
    (evidence,) = note.CurrentRequestedProcedureEvidenceSequence
    rejected = {
        item.ReferencedSOPInstanceUID
        for series in evidence.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert rejected == {row.document.sop_instance_uid for row in before}
    said = {(each.PatientID, each.IssuerOfPatientID) for each in resent}
    assert said == {("RIGHT-1", "TEST")}
    assert rejected.isdisjoint(each.SOPInstanceUID for each in resent)
    assert len(send_all(destination)) == len(before) + len(rows)


def test_orthanc_takes_a_rejection_note(
    prediction: Prediction, make_destination: Make, orthanc: Orthanc, radiologist: User
) -> None:
    orthanc.start()
    url = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
    destination = make_destination(protocol=Protocol.DICOMWEB, url=url, results_when="at_once")
    send_all(destination)
    move(prediction, radiologist)
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    assert DocumentKind.RETRACTION in {row.document.kind for row in rows}


def test_over_hl7_every_observation_is_marked_wrong_for_the_former_patient(
    prediction: Prediction,
    make_destination: Make,
    make_receiver: Callable[..., Receiver],
    radiologist: User,
) -> None:
    ris = make_receiver()
    destination = make_destination(
        ris.port, protocol=Protocol.HL7, sends=[Content.READS], ae_title=""
    )
    signed = read(prediction, radiologist, "definite", other_findings=("effusion",))
    let_time_pass()
    send_all(destination)
    move(prediction, radiologist)
    send_all(destination)
    amend(signed, prediction, radiologist)
    rows = send_all(destination)
    assert [row.document.kind for row in rows] == [
        DocumentKind.REPORT_HL7,
        DocumentKind.RETRACTION_HL7,
        DocumentKind.REPORT_HL7,
    ]
    first, wrong, right = [
        {line.split("|")[0]: line.split("|") for line in each.split("\r") if line}
        for each in ris.messages
    ]
    assert wrong["PID"] == first["PID"]
    assert right["PID"][3] == "RIGHT-1^^^TEST^PI"
    assert wrong["OBR"][3] == first["OBR"][3]
    assert (first["OBR"][25], wrong["OBR"][25]) == ("F", "C")
    assert wrong["MSH"][9] not in (first["MSH"][9], right["MSH"][9])
    marked = [each.split("|")[11] for each in ris.messages[1].split("\r") if each[:3] == "OBX"]
    assert marked == ["W"] * ris.messages[0].count("\rOBX")


def test_over_fhir_everything_is_in_error_until_it_is_sent_for_the_right_patient(
    prediction: Prediction, make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server, results_when="closed")
    signed = read(prediction, radiologist, "definite")
    let_time_pass()
    send_all(destination)
    assert {name for name, _status in patients(server.of(""))} == {"WRONG-1"}
    move(prediction, radiologist)
    rows = send_all(destination)
    retraction = next(row for row in rows if row.document.kind == DocumentKind.RETRACTION_FHIR)
    assert retraction.state == DeliveryState.DELIVERED
    (report,) = server.of("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == (
        "entered-in-error",
        "Issued for the wrong patient. Do not use.",
    )
    assert "result" not in report
    sent = [each["resource"] for each in server.posted[2]["entry"]]
    assert patients(sent) == {("WRONG-1", "entered-in-error")}
    assert not any("valueCodeableConcept" in each for each in sent)
    assert [faults(bundle) for bundle in server.posted] == [[]] * len(server.posted)
    amend(signed, prediction, radiologist)
    send_all(destination)
    assert {name for name, _status in patients(server.of(""))} == {"RIGHT-1"}
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "amended"
    of_model = [each for each in server.of("Observation") if "device" in each]
    assert [each["status"] for each in of_model] == ["preliminary"]


def test_a_corrected_patient_id_is_a_move_and_a_corrected_name_is_none(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    send_all(destination)
    patient = prediction.radiograph.study.patient
    change_patient(patient, {"name": "Other^Name"}, radiologist, "Typing error")
    patient.refresh_from_db()
    patient.save()
    assert not MovedStudy.objects.exists()
    assert len(send_all(destination)) == 2
    change_patient(patient, {"patient_id": "RIGHT-2"}, radiologist, "Typing error")
    kinds = [row.document.kind for row in send_all(destination)]
    assert kinds[2:] == [DocumentKind.RETRACTION, DocumentKind.RESULT, DocumentKind.RESULT_REGION]


def test_what_was_sent_of_a_moved_study_is_not_read_at_every_look(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    send_all(destination)
    move(prediction, radiologist)
    send_all(destination)
    planning.plan()
    with CaptureQueriesContext(connection) as look:
        planning.plan()
    asked = [each["sql"] for each in look.captured_queries]
    assert any("delivery_movedstudy" in each for each in asked)
    assert [each for each in asked if '"delivery_document"."content"' in each] == []


def test_what_never_left_is_not_retracted_but_made_for_the_right_patient(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    reached = make_destination(store_scp.port, results_when="at_once")
    other = make_destination(name="Other", results_when="at_once", is_paused=True)
    store_scp.start()
    send_all(reached)
    move(prediction, radiologist)
    send_all(reached)
    Destination.objects.filter(pk=other.pk).update(is_paused=False, port=store_scp.port)
    other.refresh_from_db()
    rows = send_all(other)
    assert [(row.document.kind, row.document.revision, row.state) for row in rows] == [
        (DocumentKind.RESULT, 0, DeliveryState.CANCELLED),
        (DocumentKind.RESULT_REGION, 0, DeliveryState.CANCELLED),
        (DocumentKind.RESULT, 1, DeliveryState.DELIVERED),
        (DocumentKind.RESULT_REGION, 1, DeliveryState.DELIVERED),
    ]
    latest = dcmread(max(store_scp.folder.iterdir(), key=lambda each: each.stat().st_mtime_ns))
    assert latest.PatientID == "RIGHT-1"


def test_a_study_that_moves_on_is_retracted_again_and_what_was_is_not(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=[Content.RESULTS], results_when="at_once")
    send_all(destination)
    right = move(prediction, radiologist)
    send_all(destination)
    study = Study.objects.get(pk=prediction.radiograph.study_id)
    third = make_patient(patient_id="THIRD-1", issuer="TEST")
    assign_known_patient(study, third, identity_version(third), radiologist)
    send_all(destination)
    notes = [
        each
        for each in store_scp.received()
        if each.SOPClassUID == KeyObjectSelectionDocumentStorage
    ]
    assert sorted(each.PatientID for each in notes) == [right.patient_id, "WRONG-1"]


def test_a_retraction_sent_again_keeps_what_was_sent_for_the_right_patient(
    prediction: Prediction,
    make_ehr: Make,
    make_fhir_server: MakeServer,
    radiologist: User,
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    signed = read(prediction, radiologist, "definite")
    let_time_pass()
    send_all(destination)
    move(prediction, radiologist)
    rows = send_all(destination)
    retraction = next(row for row in rows if row.document.kind == DocumentKind.RETRACTION_FHIR)
    outbox.send_again([retraction.pk], destination.created_by)
    send_all(destination)
    said = {each["status"] for each in server.of("Observation") if "device" in each}
    assert said == {"preliminary"}
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "entered-in-error"
    amend(signed, prediction, radiologist)
    send_all(destination)
    outbox.send_again([retraction.pk], destination.created_by)
    rows = send_all(destination)
    (report,) = server.of("DiagnosticReport")
    assert (report["status"], {name for name, _status in patients(server.of(""))}) == (
        "amended",
        {"RIGHT-1"},
    )
    assert next(row for row in rows if row.pk == retraction.pk).state == DeliveryState.CANCELLED


def test_a_retraction_does_not_wait_for_what_waits_itself(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    first, *_rest = send_all(destination)
    later = F("next_attempt_at") + timedelta(hours=1)
    Delivery.objects.filter(pk=first.pk).update(
        state=DeliveryState.WAITING, settled_at=None, next_attempt_at=later
    )
    move(prediction, radiologist)
    rows = send_all(destination)
    assert [(row.document.kind, row.state) for row in rows][2:] == [
        (DocumentKind.RETRACTION, DeliveryState.DELIVERED),
        (DocumentKind.RESULT, DeliveryState.WAITING),
        (DocumentKind.RESULT_REGION, DeliveryState.WAITING),
    ]


def test_a_pacs_that_takes_no_rejection_note_gets_the_rest_at_once(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    send_all(destination)
    move(prediction, radiologist)
    planning.plan()
    note = destination.deliveries.filter(document__kind=DocumentKind.RETRACTION)
    note.update(next_attempt_at=F("next_attempt_at") + timedelta(hours=1))
    rows = send_all(destination)
    assert [(row.document.kind, row.state) for row in rows][2:] == [
        (DocumentKind.RETRACTION, DeliveryState.WAITING),
        (DocumentKind.RESULT, DeliveryState.DELIVERED),
        (DocumentKind.RESULT_REGION, DeliveryState.DELIVERED),
    ]


def test_a_pacs_that_was_away_while_a_study_moved_twice_rejects_what_it_has(
    prediction: Prediction, make_destination: Make, store_scp: StoreScp, radiologist: User
) -> None:
    store_scp.start()
    away, other = [
        make_destination(store_scp.port, name=name, sends=[Content.RESULTS], results_when="at_once")
        for name in ("Away", "Other")
    ]
    send_all(away)
    send_all(other)
    move(prediction, radiologist)
    send_all(other)
    study = Study.objects.get(pk=prediction.radiograph.study_id)
    third = make_patient(patient_id="THIRD-1", issuer="TEST")
    assign_known_patient(study, third, identity_version(third), radiologist)
    send_all(other)
    rows = send_all(away)
    retracted = {
        dcmread(BytesIO(bytes(row.document.content or b""))).PatientID
        for row in rows
        if row.document.kind == DocumentKind.RETRACTION and row.state == DeliveryState.DELIVERED
    }
    assert "WRONG-1" in retracted


class MovedMeanwhile(Sender):
    """Stores nothing; while it sends, the study goes to somebody else, who cannot know of it."""

    def __init__(self, destination: Destination, patient: Patient) -> None:
        super().__init__(destination)
        self.patient = patient

    def send(self, delivery: Delivery) -> SendOutcome:
        Study.objects.filter(pk=delivery.document.study_id).update(patient=self.patient)
        return delivered()

    def test(self) -> SendOutcome:
        return delivered()


def test_a_study_that_moves_while_a_document_of_it_is_made_is_noted(
    prediction: Prediction, make_destination: Make
) -> None:
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    planning.plan()
    right = make_patient(patient_id="RIGHT-1", issuer="TEST")
    delivery = attempts.due(destination).get()
    attempts.attempt(delivery, MovedMeanwhile(destination, right))
    assert MovedStudy.objects.count() == 1
    planning.plan()
    assert destination.deliveries.filter(document__kind=DocumentKind.RETRACTION).exists()
