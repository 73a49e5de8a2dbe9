"""Holds are placed by clinical users and lifted by hospital IT, who see only ids."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_study
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.records.models import Study
from webportal.records.services import move_study
from webportal.retention.holds import open_holds, place
from webportal.retention.models import LegalHold

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]


def test_a_hold_is_placed_on_the_patients_page_and_lifted_by_hospital_it(
    uploader: User, it_person: User, sign_in: SignIn
) -> None:
    study = make_study(patient=make_patient(name="Phantom^Asta"))
    patient = study.patient
    client = sign_in(uploader)
    address = f"/patients/{patient.pk}/hold"
    client.post(address, {"study": str(study.pk), "reason": "Letter of 3 May"})
    page = client.post(address, {"study": "", "reason": "Claim 17"}, follow=True)
    shown = page.content.decode()
    assert "Letter of 3 May" in shown
    assert "Claim 17" in shown

    office = sign_in(it_person)
    listed = office.get("/retention").content.decode()
    assert "Claim 17" in listed
    assert "Asta" not in listed
    hold = LegalHold.objects.get(patient=patient)
    office.post(f"/retention/holds/{hold.pk}/lift")
    assert "Claim 17" not in office.get("/retention").content.decode()
    entries = AuditEntry.objects.filter(action__startswith="hold.").order_by("sequence")
    assert [(each.action, each.object_type, each.actor) for each in entries] == [
        ("hold.placed", "study", "uploader"),
        ("hold.placed", "patient", "uploader"),
        ("hold.lifted", "patient", "it"),
    ]


def test_a_hold_needs_a_reason_and_is_placed_once(uploader: User, sign_in: SignIn) -> None:
    patient = make_patient()
    client = sign_in(uploader)
    address = f"/patients/{patient.pk}/hold"
    said = client.post(address, {"reason": "  "}, follow=True).content.decode()
    assert "Give the reason" in said
    said = client.post(address, {"reason": "x" * 201}, follow=True).content.decode()
    assert "at most 200 characters" in said
    client.post(address, {"reason": "Claim 17"})
    said = client.post(address, {"reason": "Claim 18"}, follow=True).content.decode()
    assert "There is a hold on it already." in said
    assert LegalHold.objects.get().reason == "Claim 17"


def test_studies_of_a_temporary_patient_are_held_individually(
    uploader: User, sign_in: SignIn
) -> None:
    study = make_study(patient=make_patient(is_temporary=True))
    client = sign_in(uploader)
    address = f"/patients/{study.patient.pk}/hold"
    said = client.post(address, {"reason": "Claim 17"}, follow=True).content.decode()
    assert "Place the hold on the study." in said
    client.post(address, {"reason": "Claim 17", "study": str(study.pk)})
    known = make_patient()
    move_study(Study.objects.get(pk=study.pk), known, uploader)
    assert LegalHold.objects.get().study.patient == known  # type: ignore[union-attr]


def test_a_hold_on_a_patient_follows_a_study_that_is_moved(
    uploader: User, radiologist: User
) -> None:
    study = make_study()
    former, other = study.patient, make_patient(patient_id="P-2")
    placed = place(former, "Claim 17", radiologist)
    (_moved, held) = move_study(Study.objects.get(pk=study.pk), other, uploader)
    own = LegalHold.objects.get(study=study)
    assert (own.reason, own.placed_by, own.lifted_at) == ("Claim 17", radiologist, None)
    assert (held.action, held.detail["follows"]) == (Action.HOLD_PLACED, str(placed.pk))
    # Back again, and to a patient without a hold: there is still the one.
    move_study(Study.objects.get(pk=study.pk), former, uploader)
    assert open_holds().filter(study=study).count() == 1


def test_a_hold_on_another_patients_study_is_not_placed(uploader: User, sign_in: SignIn) -> None:
    patient, other = make_patient(), make_study()
    for study in (str(other.pk), "nonsense"):
        answer = sign_in(uploader).post(
            f"/patients/{patient.pk}/hold", {"study": study, "reason": "x"}
        )
        assert answer.status_code == 404
    assert not LegalHold.objects.exists()


def test_the_page_lists_due_studies(it_person: User, sign_in: SignIn, settings: Settings) -> None:
    study = make_study(performed_at=datetime(2000, 1, 1, tzinfo=UTC))
    assert "There is no rule" in sign_in(it_person).get("/retention").content.decode()
    settings.RETENTION_YEARS = 10
    shown = sign_in(it_person).get("/retention").content.decode()
    assert str(study.pk) in shown
    assert "1 study is due" in shown
