"""What appends to the trail locks other rows before the head of the chain, never after."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.factories import make_patient, make_study
from tests.helpers import audit_actions, wait_until
from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify
from webportal.orders.models import OrderedStudy
from webportal.records.identity import identity_version
from webportal.records.models import EmergencyAccess
from webportal.records.services import lock_patient
from webportal.retention.holds import place
from webportal.review.study.case_records import assign_known_patient


def in_its_own_connection(do: Callable[..., Any], *arguments: Any) -> None:
    try:
        do(*arguments)
    finally:
        connection.close()


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_hold_on_a_patient_whose_record_is_being_changed_is_no_deadlock(
    radiologist: User, it_person: User
) -> None:
    patient = make_study().patient
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            lock_patient(patient)
            placed = other.submit(in_its_own_connection, place, patient, "court", radiologist)
            wait_until(somebody_waits_for_a_lock, "the hold waits for the patient's row")
            append(Event(Action.PATIENT_CHANGED, "patient", patient.pk), it_person)
        placed.result(timeout=20)
    assert audit_actions(action__in=["hold.placed", "patient.changed"]) == [
        "patient.changed",
        "hold.placed",
    ]
    assert verify().intact


@pytest.mark.django_db(transaction=True)
def test_a_study_that_leaves_a_temporary_patient_waits_for_others_before_the_trail(
    radiologist: User, it_person: User
) -> None:
    """An order is linked to it, with an entry, before the temporary patient is removed."""
    known = make_patient(patient_id="P-1", issuer="")
    study = ordered_study(patient=make_patient(is_temporary=True))
    assert answered(make_source(), order())[0] == "AA"
    now = timezone.now()
    access = EmergencyAccess.objects.create(
        person=it_person, patient=study.patient, reason="Trauma", began_at=now, ends_at=now
    )
    shown = identity_version(known)
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            EmergencyAccess.objects.select_for_update().get(pk=access.pk)
            moved = other.submit(
                in_its_own_connection, assign_known_patient, study, known, shown, radiologist
            )
            wait_until(somebody_waits_for_a_lock, "the move waits for the access")
            append(Event(Action.EMERGENCY_ENDED, "emergency", access.pk), it_person)
        moved.result(timeout=20)
    assert OrderedStudy.objects.filter(study=study).exists()
    access.refresh_from_db()
    assert access.patient == known
    assert verify().intact
