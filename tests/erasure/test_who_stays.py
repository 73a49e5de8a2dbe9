"""What an erasure leaves behind is not taken for tampering, and waits for who is at work."""

from threading import Event as Signal
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.conftest import PASSWORD
from tests.erasure.test_what_may_be_others import confirmed
from tests.factories import make_patient, make_radiograph, make_study
from tests.reading import sign
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.reconciliation import reconcile
from webportal.audit.trail import Event, append
from webportal.erasure import execution
from webportal.erasure.models import Erasure
from webportal.records.choices import ReadingState
from webportal.records.identity import shown_identity
from webportal.records.models import EmergencyAccess, Patient, Study
from webportal.records.services import change_patient
from webportal.review.reads.services import Entry


def differing() -> list[str]:
    return [each.object_id for each in reconcile() if each.code == "row_differs"]


@pytest.mark.django_db
def test_a_correction_that_goes_with_a_study_is_no_difference_of_the_patient(
    radiologist: User,
) -> None:
    patient = make_patient(name="Quux^Zoe")
    detail = {"after": shown_identity(patient)}
    append(Event(Action.PATIENT_CREATED, "patient", patient.pk, detail=detail))
    due, stays = make_study(patient=patient), make_study(patient=patient)
    make_radiograph(due)
    sign(due, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    change_patient(patient, {"name": "Corge^Zoe"}, radiologist, "Misspelt")
    assert str(patient.pk) not in differing()
    now = timezone.now()
    erasure = Erasure.objects.create(
        studies=[str(due.pk)], reason="Ten", state="confirmed", requested_at=now, decided_at=now
    )
    assert execution.carry_out(erasure, again=True).state == "done"
    assert list(Study.objects.all()) == [stays]
    corrected = AuditEntry.objects.get(action=Action.IDENTITY_CORRECTED)
    assert "erased_by" in corrected.detail
    assert str(patient.pk) not in differing()


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_is_not_waited_for(radiologist: User) -> None:
    patient = make_patient()
    make_radiograph(make_study(patient=patient, reading_state=ReadingState.SIGNED))
    now = timezone.now()
    access = EmergencyAccess.objects.create(
        person=radiologist,
        patient=patient,
        reason="Stroke",
        began_at=now,
        ends_at=now,
        outcome="justified",
        reviewed_by=radiologist,
        reviewed_at=now,
    )
    erasure, locked, may_go = confirmed(patient), Signal(), Signal()

    def work() -> None:
        with transaction.atomic():
            EmergencyAccess.objects.select_for_update().get(pk=access.pk)
            locked.set()
            may_go.wait(60)
        connection.close()

    worker = Thread(target=work)
    worker.start()
    try:
        assert locked.wait(60)
        waiting = execution.carry_out(erasure)
        assert (waiting.state, waiting.waits_for) == ("confirmed", "busy")
        assert Patient.objects.exists()
    finally:
        may_go.set()
        worker.join()
    assert execution.carry_out(erasure).state == "done"
    assert not Patient.objects.exists()
