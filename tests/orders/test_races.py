"""Orders, images and corrections at the same time: each waits for others, and none for ever."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest
from django.db import transaction

from tests.acts import Act
from tests.factories import make_job, make_patient, make_radiograph, make_study
from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.inference.models import Job
from webportal.intake.claimed_identity import Identity
from webportal.intake.pipeline.identify import StudyFacts
from webportal.intake.pipeline.match import match
from webportal.orders.linking import link, lock_numbers
from webportal.orders.models import Order, OrderSource
from webportal.records.choices import Priority
from webportal.records.models import Patient, Study
from webportal.records.services import change_patient, move_study

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source() -> OrderSource:
    return make_source()


@pytest.fixture
def person(make_user: Callable[..., User]) -> User:
    return make_user(Role.UPLOADER)


def hold_the_trail() -> None:
    """Lock the end of the trail until the transaction ends."""
    append(Event(Action.AUDIT_VIEWED))


def test_a_link_that_waits_compares_the_order_with_the_patient_of_then(
    source: OrderSource, person: User
) -> None:
    study = ordered_study(patient=make_patient(patient_id="X", birth_date=date(1970, 1, 2)))
    born_later = make_patient(patient_id="Y", birth_date=date(1980, 1, 2))
    answered(source, order())
    with transaction.atomic():
        move_study(Study.objects.get(pk=study.pk), born_later, person)
        linking = Act(lambda: link(Order.objects.get(), study, person))
        assert linking.waits()
    assert linking.end() is None
    entry = AuditEntry.objects.get(action=Action.ORDER_LINKED)
    assert entry.detail == {"differences": ["patient_id", "birth_date"]}


def test_a_link_holds_no_order_while_it_waits_for_the_trail(
    source: OrderSource, person: User
) -> None:
    study = ordered_study(patient=make_patient(patient_id="X"))
    answered(source, order())
    with transaction.atomic():
        lock_numbers(["ACC-1"])
        hold_the_trail()
        linking = Act(lambda: link(Order.objects.get(), study, person))
        assert linking.waits()
        Order.objects.select_for_update().get()
    assert linking.end() is None
    assert study.order_links.exists()


def test_an_urgent_order_does_not_wait_for_a_job_whose_study_it_has_locked(
    source: OrderSource,
) -> None:
    study = ordered_study(priority=Priority.ROUTINE)
    job = make_job(make_radiograph(study))
    with transaction.atomic():
        # As somebody who cancels it, and then wants the study.
        Job.objects.select_for_update().get(pk=job.pk)
        receiving = Act(lambda: answered(source, order(obr={5: "S"})))
        assert not receiving.waits()
        Study.objects.select_for_update().get(pk=study.pk)
    assert receiving.end() is None
    study.refresh_from_db()
    assert study.priority == Priority.STAT


def test_an_image_that_completes_its_patient_holds_no_trail_while_it_waits_for_orders(
    source: OrderSource, person: User
) -> None:
    patient = make_patient(patient_id="P-1", issuer="", name="DOE^JANE")
    earlier = ordered_study(patient=patient, accession_number="ACC-0")
    # Of another birth date, which nobody knows of the patient yet.
    other = "PID|1||P-1^^^HOSP^MR||DOE^JANE||19990101|F"
    answered(source, order(obr={18: "ACC-0"}, pid=other))
    assert earlier.order_links.exists()
    identity = Identity("P-1", name="DOE^JANE", birth_date=date(1970, 1, 2))
    facts = StudyFacts("1.2.3", accession_number="ACC-2")
    with transaction.atomic():
        lock_numbers(["ACC-2"])
        matched = transaction.atomic(match)
        taking = Act(lambda: matched(identity, facts, person, earlier.department_id))
        assert taking.waits()
        hold_the_trail()
    assert taking.end() is None
    assert not earlier.order_links.exists()


def test_corrections_lock_the_numbers_of_all_studies_in_one_order(
    source: OrderSource, person: User
) -> None:
    patient = make_patient(patient_id="P-1", issuer="")
    for number, name in enumerate("BA"):
        make_study(id=UUID(int=number), patient=patient, accession_number=name)
    with transaction.atomic():
        lock_numbers("A")
        correcting = Act(lambda: change_patient(patient, {"patient_id": "P-2"}, person))
        assert correcting.waits()
        lock_numbers("B")
    assert correcting.end() is None
    assert Patient.objects.get(pk=patient.pk).patient_id == "P-2"
