"""Whoever appends to the trail waits for rows of others before the chain's head, never after."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from tests.factories import make_study
from tests.helpers import audit_actions, wait_until
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify
from webportal.records.services import lock_patient
from webportal.retention.holds import place


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
