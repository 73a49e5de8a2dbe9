"""A key of the audit trail is missing: the erasures that need it wait, and no others."""

import pytest
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.audit import rotation
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.erasure import execution, services
from webportal.erasure.models import Erasure, ErasureState
from webportal.records.choices import ReadingState
from webportal.records.models import Patient

pytestmark = pytest.mark.django_db


def confirmed(patient: Patient, uploader: User, it_person: User) -> Erasure:
    make_radiograph(make_study(patient=patient, reading_state=ReadingState.SIGNED))
    asked = services.request(patient, "they asked for it", "", uploader)
    plan = services.plan_of(asked)
    assert plan is not None
    services.confirm(asked, plan.digest, PASSWORD, it_person)
    return asked


def test_it_waits_for_the_key_and_the_others_go_on(
    uploader: User, it_person: User, settings: Settings
) -> None:
    first, second = make_patient(patient_id="1"), make_patient(patient_id="2")
    append(Event(Action.PATIENT_VIEWED, "patient", first.pk, detail={"n": 1}), uploader)
    before = settings.AUDIT_KEY
    settings.AUDIT_KEY, settings.AUDIT_OLD_KEYS = "b4f1d2c7be09a8365d41c0b7f9e2a6d58", before
    rotation.rotate()
    waiting = confirmed(first, uploader, it_person)
    other = confirmed(second, uploader, it_person)
    settings.AUDIT_OLD_KEYS = ""
    execution.carry_out_confirmed(60)
    waiting.refresh_from_db()
    other.refresh_from_db()
    assert (waiting.state, waiting.waits_for) == (ErasureState.CONFIRMED, "key")
    assert other.state == ErasureState.DONE
    assert Patient.objects.get() == first
    settings.AUDIT_OLD_KEYS = before
    execution.carry_out_confirmed(60)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.waits_for) == (ErasureState.DONE, "")
