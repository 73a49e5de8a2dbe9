"""A result that has left and holds no more is withdrawn, and comes back if it holds again."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pydicom
import pytest
from django.db import transaction
from django.utils import timezone
from pydicom.dataset import FileDataset

from tests.acts import Act
from tests.conftest import PASSWORD
from tests.delivery.conftest import StoreScp, send_all
from tests.delivery.fhir_peer import FhirServer, faults
from tests.delivery.test_documents import check
from tests.delivery.test_sending import somebody_waits_for_a_lock
from tests.factories import (
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.helpers import let_time_pass, wait_until
from tests.reading import read, sign
from webportal.accounts.models import User
from webportal.delivery import outbox, planning
from webportal.delivery.models import Content, DeliveryState, Destination, Document, DocumentKind
from webportal.inference.models import Prediction
from webportal.inference.purpose.keeping import evaluate_unjudged
from webportal.records.choices import Category, Purpose
from webportal.records.models import Patient, Radiograph
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
MakeServer = Callable[..., FhirServer]
IN_ERROR = "entered-in-error"


def withdraw(image: Radiograph) -> None:
    """The model does not assess the image any more."""
    make_prediction(image, Category.NOT_ASSESSABLE)


def statuses(server: FhirServer, kind: str) -> list[list[str]]:
    """The statuses through which each resource of a type has gone."""
    return [
        [each["status"] for each in versions]
        for place, versions in server.versions.items()
        if kind in place
    ]


def instances(folder: Path) -> list[FileDataset]:
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    return sorted(found, key=lambda each: (each.ContentDate, each.ContentTime))


def test_over_fhir_the_observation_is_an_error_and_the_preliminary_report_is_cancelled(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    prediction = make_prediction()
    send_all(destination)
    withdraw(prediction.radiograph)
    rows = send_all(destination)
    assert [row.document.kind for row in rows] == [
        DocumentKind.EARLY_FHIR,
        DocumentKind.NO_EARLY_FHIR,
    ]
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    assert faults(server.posted[-1]) == []
    assert statuses(server, "Observation") == [["preliminary", "entered-in-error"]]
    assert statuses(server, "DiagnosticReport") == [["preliminary", "cancelled"]]
    (observation,) = server.of("Observation")
    assert "valueCodeableConcept" not in observation
    (report,) = server.of("DiagnosticReport")
    assert "result" not in report
    assert "withdrawn" in report["conclusion"]
    assert len(send_all(destination)) == 2
    study = prediction.radiograph.study
    seen = Prediction.objects.get(is_current=True)
    sign(study, radiologist, Entry(seen.pk, "unaided", "none"), PASSWORD)
    let_time_pass()
    send_all(destination)
    assert statuses(server, "DiagnosticReport") == [["preliminary", "cancelled", "final"]]


def test_over_fhir_the_report_keeps_what_still_holds_for_other_images(
    make_ehr: Make, make_fhir_server: MakeServer
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    study = make_study()
    first, second = make_radiograph(study), make_radiograph(study)
    make_prediction(first)
    make_prediction(second, Category.UNLIKELY)
    send_all(destination)
    withdraw(first)
    rows = send_all(destination)
    assert [(row.document.kind, row.document.revision) for row in rows] == [
        (DocumentKind.EARLY_FHIR, 0),
        (DocumentKind.WITHDRAWN_FHIR, 0),
        (DocumentKind.EARLY_FHIR, 1),
    ]
    assert len(send_all(destination)) == 3
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "preliminary"
    found = {f"Observation/{each['id']}": each["status"] for each in server.of("Observation")}
    assert sorted(found.values()) == ["entered-in-error", "preliminary"]
    assert [found[each["reference"]] for each in report["result"]] == ["preliminary"]


def test_a_final_report_stays_when_a_result_is_withdrawn(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    prediction = make_prediction()
    send_all(destination)
    read(prediction, radiologist, "definite")
    let_time_pass()
    send_all(destination)
    withdraw(prediction.radiograph)
    rows = send_all(destination)
    assert rows[-1].document.kind == DocumentKind.WITHDRAWN_FHIR
    assert statuses(server, "DiagnosticReport") == [["preliminary", "final"]]
    of_model = [each for each in server.of("Observation") if "device" in each]
    assert [each["status"] for each in of_model] == ["entered-in-error"]


def test_a_pacs_gets_a_report_that_supersedes_the_result_and_its_region(
    make_destination: Make, store_scp: StoreScp, tmp_path: Path
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    prediction = make_prediction()
    send_all(destination)
    withdraw(prediction.radiograph)
    rows = send_all(destination)
    assert [row.document.kind for row in rows][-1] == DocumentKind.WITHDRAWN
    assert len(rows) == len(send_all(destination)) == 3
    *former, last = instances(store_scp.folder)
    assert "are withdrawn" in check(last, tmp_path)
    assert last.VerificationFlag == "UNVERIFIED"
    (study,) = last.PredecessorDocumentsSequence
    superseded = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert superseded == {each.SOPInstanceUID for each in former}


def test_a_destination_of_heat_maps_alone_is_told_too(
    make_destination: Make, store_scp: StoreScp
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, sends=[Content.CAPTURES], results_when="at_once")
    prediction = make_prediction()
    send_all(destination)
    withdraw(prediction.radiograph)
    rows = send_all(destination)
    assert [(row.document.kind, row.state) for row in rows] == [
        (DocumentKind.CAPTURE, DeliveryState.DELIVERED),
        (DocumentKind.WITHDRAWN, DeliveryState.DELIVERED),
    ]


def test_a_result_that_a_corrected_date_excludes_is_withdrawn_and_comes_back(
    make_destination: Make, store_scp: StoreScp
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    prediction = make_prediction(category=Category.UNLIKELY)
    send_all(destination)
    later = timezone.now() + timedelta(days=1)
    kinds = [DocumentKind.RESULT, DocumentKind.WITHDRAWN, DocumentKind.RESULT]
    for number, purpose in enumerate(["outside", "within"], 2):
        Prediction.objects.update(purpose=purpose, rejudged_at=later)
        rows = send_all(destination)
        assert [row.document.kind for row in rows] == kinds[:number]
    assert [row.document.revision for row in rows] == [0, 0, 1]
    first, withdrawn, again = instances(store_scp.folder)
    assert len({each.SOPInstanceUID for each in (first, withdrawn, again)}) == 3
    (study,) = again.PredecessorDocumentsSequence
    ((item,),) = [each.ReferencedSOPSequence for each in study.ReferencedSeriesSequence]
    assert item.ReferencedSOPInstanceUID == withdrawn.SOPInstanceUID
    assert prediction.pk == Document.objects.get(kind=DocumentKind.WITHDRAWN).prediction_id


def test_a_purpose_that_becomes_another_is_dated() -> None:
    prediction = make_prediction()
    assert prediction.rejudged_at is None
    Prediction.objects.update(purpose="outside")
    patient = Patient.objects.get()
    patient.save(update_fields=["birth_date"])
    prediction.refresh_from_db()
    assert prediction.rejudged_at is not None


def test_what_never_left_is_not_withdrawn(make_destination: Make) -> None:
    destination = make_destination(results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    withdraw(prediction.radiograph)
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.CANCELLED}
    assert {row.document.kind for row in rows} == {DocumentKind.RESULT, DocumentKind.RESULT_REGION}


def test_results_sent_again_by_fhir_do_not_bring_back_what_was_withdrawn(
    make_ehr: Make, make_fhir_server: MakeServer
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    first = make_prediction()
    make_prediction(make_radiograph(first.radiograph.study))
    (before,) = send_all(destination)
    withdraw(first.radiograph)
    send_all(destination)
    withdrawn = [each["id"] for each in server.of("Observation") if each["status"] == IN_ERROR]
    assert len(withdrawn) == 1
    outbox.send_again([before.pk], destination.created_by)
    rows = send_all(destination)
    now = [each["id"] for each in server.of("Observation") if each["status"] == IN_ERROR]
    assert now == withdrawn
    assert next(row for row in rows if row.pk == before.pk).state == DeliveryState.CANCELLED


@pytest.fixture
def of_unknown_age() -> Prediction:
    """A result that is to be checked, because the patient's age is not known."""
    population = {"youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
    study = make_study(patient=make_patient(birth_date=None), performed_at=timezone.now())
    return make_prediction(
        make_radiograph(study, view_position="AP"),
        model_version=make_model_version("for-children", population=population),
    )


def become_three(prediction: Prediction) -> None:
    """The patient's age becomes known, and one that the model was made for."""
    study = prediction.radiograph.study
    study.patient.birth_date = timezone.localdate() - timedelta(days=3 * 366)
    study.patient.save(update_fields=["birth_date"])
    prediction.refresh_from_db()
    assert prediction.purpose == Purpose.WITHIN


def cautions_in(report: FileDataset) -> list[str]:
    texts = [str(each.value) for each in report.iterall() if each.keyword == "TextValue"]
    return [text for text in texts if "age is not known" in text or "Check this" in text]


def test_documents_leave_again_when_only_the_cautions_change(
    make_destination: Make, store_scp: StoreScp, of_unknown_age: Prediction
) -> None:
    store_scp.start()
    sends = [Content.RESULTS, Content.CAPTURES]
    destination = make_destination(store_scp.port, sends=sends, results_when="at_once")
    sent = [row.document.kind for row in send_all(destination)]
    assert sent == [DocumentKind.RESULT, DocumentKind.RESULT_REGION, DocumentKind.CAPTURE]
    assert len(send_all(destination)) == 3
    become_three(of_unknown_age)
    rows = send_all(destination)
    assert [(row.document.kind, row.document.revision) for row in rows[3:]] == [
        (kind, 1) for kind in sent
    ]
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    assert len(send_all(destination)) == 6
    reports = [each for each in instances(store_scp.folder) if each.Modality == "SR"]
    # The region says what must be checked, too: some viewers show nothing else.
    assert [len(cautions_in(each)) for each in reports] == [2, 2, 0, 0]
    for former, later in zip(reports[:2], reports[2:], strict=True):
        (study,) = later.PredecessorDocumentsSequence
        ((item,),) = [each.ReferencedSOPSequence for each in study.ReferencedSeriesSequence]
        assert item.ReferencedSOPInstanceUID == former.SOPInstanceUID


def test_over_fhir_results_are_resent_when_only_the_cautions_change(
    make_ehr: Make, make_fhir_server: MakeServer, of_unknown_age: Prediction
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    send_all(destination)
    (observation,) = server.of("Observation")
    assert any("age is not known" in note["text"] for note in observation["note"])
    become_three(of_unknown_age)
    rows = send_all(destination)
    assert [row.document.revision for row in rows] == [0, 1]
    (observation,) = server.of("Observation")
    assert "note" not in observation
    assert len(send_all(destination)) == 2


def test_a_result_that_waits_leaves_once_with_the_cautions_of_then(
    make_destination: Make, store_scp: StoreScp, of_unknown_age: Prediction
) -> None:
    destination = make_destination(store_scp.port, results_when="at_once")
    send_all(destination)
    become_three(of_unknown_age)
    store_scp.start()
    Destination.objects.update(retry_at=None)
    destination.deliveries.update(next_attempt_at=timezone.now())
    send_all(destination)
    reports = instances(store_scp.folder)
    assert len(reports) == 2
    assert not any(cautions_in(each) for each in reports)


def test_a_result_that_an_upgrade_re_evaluates_leaves_with_all_cautions_meanwhile(
    make_destination: Make, store_scp: StoreScp, of_unknown_age: Prediction
) -> None:
    """Where the reasons stay as they were, it does not leave again."""
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    Prediction.objects.update(purpose="")
    send_all(destination)
    assert [len(cautions_in(each)) for each in instances(store_scp.folder)] == [2, 2]
    assert evaluate_unjudged() == 1
    assert len(send_all(destination)) == 2
    of_unknown_age.refresh_from_db()
    assert of_unknown_age.purpose == Purpose.UNCONFIRMED


@pytest.mark.django_db(transaction=True)
def test_a_result_sent_while_it_is_re_evaluated_does_not_keep_the_former_cautions(
    make_destination: Make, store_scp: StoreScp, of_unknown_age: Prediction
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once")
    planning.plan()
    with transaction.atomic():
        become_three(of_unknown_age)
        sending = Act(lambda: send_all(destination))
        wait_until(
            lambda: somebody_waits_for_a_lock() or not sending.thread.is_alive(),
            "the sender waits for the judgement",
        )
    assert sending.end() is None
    assert {row.state for row in send_all(destination)} == {DeliveryState.DELIVERED}
    assert not cautions_in(instances(store_scp.folder)[-1])
