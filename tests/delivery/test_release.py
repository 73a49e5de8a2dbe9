"""What enters the outbox, and what may leave it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.delivery.conftest import send_all
from tests.factories import (
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
    make_uploader,
)
from tests.helpers import let_time_pass
from tests.inference import cases
from tests.reading import add_addendum, read, sign
from webportal.accounts.models import Role, User
from webportal.delivery import planning
from webportal.delivery.destinations import change_destination
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
    Protocol,
)
from webportal.delivery.release import may_send_results
from webportal.inference.claims import claim, write_back
from webportal.inference.models import Prediction
from webportal.inference.queue import enqueue
from webportal.records.choices import Category, ReadingState
from webportal.records.models import Study
from webportal.records.services import change_patient
from webportal.review.models import Read
from webportal.review.reads.services import Entry
from webportal.review.reads.taking_back import take_back
from webportal.review.reports.content import report_of

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]


def kinds(**filters: object) -> list[str]:
    planning.plan()
    rows = Delivery.objects.filter(**filters).order_by("created_at")
    return list(rows.values_list("document__kind", flat=True))


def test_a_signature_leaves_once_it_cannot_be_taken_back_any_more(
    make_destination: Make, radiologist: User
) -> None:
    make_destination(sends=[Content.READS])
    prediction = make_prediction()
    signed = read(prediction, radiologist, "definite")
    assert kinds() == []
    take_back(signed, radiologist)
    let_time_pass()
    assert kinds() == []
    read(prediction, radiologist, "none")
    let_time_pass()
    assert kinds() == [DocumentKind.REPORT]
    assert kinds() == [DocumentKind.REPORT]


def test_nothing_that_was_signed_before_leaves_for_a_new_destination(
    make_destination: Make, radiologist: User
) -> None:
    read(make_prediction(), radiologist, "definite")
    let_time_pass(3600)
    make_destination(sends=[Content.READS])
    assert kinds() == []


def test_a_result_waits_for_the_signature_unless_the_destination_has_it_at_once(
    make_destination: Make, radiologist: User
) -> None:
    closed = make_destination(sends=[Content.RESULTS])
    at_once = make_destination(name="Other", sends=[Content.RESULTS], results_when="at_once")
    prediction = make_prediction()
    both = [DocumentKind.RESULT, DocumentKind.RESULT_REGION]
    assert kinds(destination=at_once) == both
    assert kinds(destination=closed) == []
    read(prediction, radiologist, "definite")
    let_time_pass()
    assert kinds(destination=closed) == both
    assert Document.objects.count() == 2


def test_the_result_of_a_prior_never_leaves(make_destination: Make) -> None:
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    study = make_prediction().radiograph.study
    Study.objects.update(reading_state=ReadingState.PRIOR)
    assert kinds() == []
    study.refresh_from_db()
    assert not may_send_results(study, destination)


def test_no_destination_has_a_result_that_a_second_reader_must_not_see(
    make_destination: Make, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING = settings.SECOND_READING_BLIND_TO_AI = True
    settings.SECOND_READING_SHARE = 1.0
    make_destination(results_when="at_once")
    first = make_user(Role.RADIOLOGIST, username="first")
    second = make_user(Role.RADIOLOGIST, username="second")
    prediction = make_prediction()
    assert kinds() == []
    read(prediction, first, "definite")
    let_time_pass()
    assert kinds() == []
    study = prediction.radiograph.study
    sign(study, second, Entry(None, "unaided", "definite"), PASSWORD)
    let_time_pass()
    assert kinds() == [DocumentKind.RESULT, DocumentKind.RESULT_REGION, DocumentKind.REPORT]
    kept = Document.objects.get(kind=DocumentKind.REPORT)
    assert kept.read is not None
    assert kept.read.reader == second


def test_what_waits_stays_when_the_study_goes_to_another_reader(
    make_destination: Make, make_user: Callable[..., User], settings: Settings
) -> None:
    """An amendment that overrules a likely result sends the study to a second reader."""
    destination = make_destination(port=1)
    reader = make_user(Role.RADIOLOGIST, username="first")
    prediction = make_prediction()
    signed = read(prediction, reader, "definite")
    let_time_pass()
    planning.plan()
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 0.0
    signed = Read.objects.get(pk=signed.pk)
    read(prediction, reader, "none", amends=signed.pk, reason="Looked again")
    let_time_pass()
    rows = send_all(destination)
    assert {row.reason_code for row in rows[:1]} == {"being_read"}
    assert all(row.attempts == 0 for row in rows)


def test_a_newer_version_goes_out_instead_of_one_that_still_waits(
    make_destination: Make, radiologist: User
) -> None:
    destination = make_destination(port=1, sends=[Content.READS])
    signed = read(make_prediction(), radiologist, "definite")
    let_time_pass()
    planning.plan()
    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Why", "More.", PASSWORD)
    rows = send_all(destination)
    assert [(row.state, row.reason_code) for row in rows] == [
        (DeliveryState.CANCELLED, "superseded"),
        (DeliveryState.WAITING, "not_reached"),
    ]


def test_a_read_under_a_former_identity_waits_for_its_amendment(
    make_destination: Make, radiologist: User
) -> None:
    destination = make_destination(port=1, sends=[Content.READS])
    signed = read(make_prediction(), radiologist, "definite")
    let_time_pass()
    planning.plan()
    patient = signed.study.patient
    change_patient(patient, {"name": "Right^Name"}, radiologist, "The wrong order was chosen.")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.WAITING, "identity_corrected")
    assert row.attempts == 0


def test_a_result_is_remade_for_a_corrected_identity(make_destination: Make) -> None:
    make_destination(port=1, sends=[Content.RESULTS], results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    document = Document.objects.get(kind=DocumentKind.RESULT)
    make(document)
    before = document.sop_instance_uid
    patient = prediction.radiograph.study.patient
    patient.name = "Right^Name"
    patient.save()
    document = Document.objects.get(kind=DocumentKind.RESULT)
    make(document)
    assert document.sop_instance_uid != before
    assert b"Right^Name" in bytes(document.content or b"")


def test_a_result_outside_the_purpose_of_the_model_never_leaves(make_destination: Make) -> None:
    destination = make_destination(sends=[Content.RESULTS], results_when="at_once")
    make_prediction(category=Category.NOT_ASSESSABLE)
    assert kinds() == []
    prediction = make_prediction(category=Category.UNLIKELY)
    assert kinds() == [DocumentKind.RESULT]
    Prediction.objects.filter(pk=prediction.pk).update(purpose="outside")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.CANCELLED, "superseded")


def test_nothing_leaves_under_a_temporary_identity(
    make_destination: Make, radiologist: User
) -> None:
    destination = make_destination(port=1, results_when="at_once")
    image = make_radiograph(make_study(patient=make_patient(is_temporary=True)))
    read(make_prediction(image), radiologist, "definite")
    let_time_pass()
    rows = send_all(destination)
    assert (rows[0].state, rows[0].reason_code) == (DeliveryState.WAITING, "identity_temporary")
    assert all(row.attempts == 0 for row in rows)


def test_a_study_for_demonstration_never_leaves(make_destination: Make, radiologist: User) -> None:
    destination = make_destination(port=1, results_when="at_once")
    prediction = make_prediction()
    assert kinds() == [DocumentKind.RESULT, DocumentKind.RESULT_REGION]
    Study.objects.update(is_phantom=True)
    read(prediction, radiologist, "definite")
    let_time_pass()
    rows = send_all(destination)
    assert {(row.state, row.reason_code) for row in rows} == {
        (DeliveryState.CANCELLED, "demonstration")
    }
    assert len(rows) == 2


def test_what_a_destination_is_no_longer_sent_is_held_and_delays_nothing_else(
    make_destination: Make, radiologist: User, it_person: User
) -> None:
    destination = make_destination(port=1, results_when="at_once")
    prediction = make_prediction()
    planning.plan()
    change_destination(destination, {"sends": [Content.READS]}, it_person)
    read(prediction, radiologist, "definite")
    let_time_pass()
    destination.refresh_from_db()
    rows = send_all(destination)
    assert [(row.document.kind, row.reason_code, row.attempts > 0) for row in rows] == [
        (DocumentKind.RESULT, "not_chosen", False),
        (DocumentKind.RESULT_REGION, "not_chosen", False),
        (DocumentKind.REPORT, "not_reached", True),
    ]


def test_a_study_that_cannot_be_planned_is_retried_and_does_not_stop_the_others(
    make_destination: Make, radiologist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = make_destination(sends=[Content.READS])
    first = read(make_prediction(), radiologist, "definite")
    second = read(make_prediction(), radiologist, "definite")
    let_time_pass()

    def fails_for_the_first(study: Study) -> object:
        if study == first.study:
            raise ValueError("broken")
        return report_of(study)

    with monkeypatch.context() as context:
        context.setattr(planning, "report_of", fails_for_the_first)
        assert planning.plan() == 1
    assert Delivery.objects.get().document.read == second
    before = destination.looked_until
    destination.refresh_from_db()
    assert destination.looked_until == before
    assert planning.plan() == 1


@pytest.mark.parametrize("hours", [(0, -2), (2, 0)])
def test_a_worker_whose_clock_is_wrong_delays_no_result(
    make_destination: Make, monkeypatch: pytest.MonkeyPatch, hours: tuple[int, int]
) -> None:
    make_destination(protocol=Protocol.FHIR, sends=[Content.RESULTS], results_when="at_once")
    study, version = make_study(), make_model_version()
    for _number in hours:
        enqueue(cases.make_radiograph(study), make_uploader())
    for job, wrong_by in zip(claim("one", 2), hours, strict=True):
        its_now = timezone.now() + timedelta(hours=wrong_by)
        with monkeypatch.context() as context:
            context.setattr(timezone, "now", lambda now=its_now: now)
            write_back("one", "cpu", version, [cases.likely(job)])
        assert planning.plan() == 1
