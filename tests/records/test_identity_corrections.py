"""Changes of a patient's identity before and after signing, and their audit entries."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.records.identity import identity_version, shown_identity, version_of
from webportal.records.models import IdentityCorrection, Patient, Study
from webportal.records.services import RecordError, SignedIdentityError, change_patient
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db

REASON = "The request form says 2020."
CHANGES: list[dict[str, Any]] = [
    {"name": "Other^Eva"},
    {"birth_date": date(2019, 1, 2)},
    {"birth_date": None},
    {"sex": "M"},
    {"patient_id": "H-9"},
    {"issuer": "ELSEWHERE"},
]


@pytest.fixture
def patient() -> Patient:
    return make_patient(patient_id="H-1", name="Phantom^Eva", birth_date=date(2020, 1, 2), sex="F")


@pytest.fixture
def signed(patient: Patient, radiologist: User) -> Study:
    study = make_radiograph(make_study(patient=patient)).study
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    return study


def test_before_signing_old_and_new_values_are_kept_in_the_trail(
    patient: Patient, uploader: User
) -> None:
    make_study(patient=patient)
    values = {"name": "Phantom^Ewa", "birth_date": None, "sex": "F"}
    assert change_patient(patient, values, uploader) == ["name", "birth_date"]
    entry = AuditEntry.objects.get()
    assert entry.action == "patient.changed"
    patient.refresh_from_db()
    assert entry.detail == {
        "fields": ["name", "birth_date"],
        "before": {"name": "Phantom^Eva", "birth_date": "2020-01-02"},
        "after": {"name": "Phantom^Ewa", "birth_date": ""},
        "identity_sha256": identity_version(patient),
    }
    assert not IdentityCorrection.objects.exists()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_after_signing_an_uploader_cannot_change_the_identity(
    change: dict[str, Any], patient: Patient, signed: Study, uploader: User
) -> None:
    before = shown_identity(patient)
    with pytest.raises(SignedIdentityError, match="radiologist"):
        change_patient(patient, change, uploader, REASON)
    patient.refresh_from_db()
    assert shown_identity(patient) == before
    assert "patient.changed" not in audit_actions()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_after_signing_a_radiologist_corrects_with_a_reason(
    change: dict[str, Any], patient: Patient, signed: Study, radiologist: User
) -> None:
    for none in ("", "  "):
        with pytest.raises(SignedIdentityError, match="reason"):
            change_patient(patient, change, radiologist, none)
    unsigned = make_study(patient=patient)
    before = shown_identity(patient)
    change_patient(patient, change, radiologist, f" {REASON} ")
    after = shown_identity(Patient.objects.get(pk=patient.pk))
    correction = IdentityCorrection.objects.get()
    assert (correction.before, correction.after) == (before, after)
    assert (correction.reason, correction.corrected_by) == (REASON, radiologist)
    assert list(correction.studies.all()) == [signed]
    entry = AuditEntry.objects.get(action="patient.identity_corrected")
    assert (entry.object_id, entry.study_id) == (str(patient.pk), signed.pk)
    (name,) = change
    assert entry.detail == {
        "correction": str(correction.pk),
        "reason": REASON,
        "before": {name: before[name]},
        "after": {name: after[name]},
        "identity_sha256": version_of(after),
    }
    assert "patient.changed" not in audit_actions(study_id=unsigned.pk)


def test_a_study_awaiting_another_reader_counts_as_signed(
    patient: Patient, signed: Study, uploader: User
) -> None:
    Study.objects.filter(pk=signed.pk).update(reading_state="unread")
    with pytest.raises(SignedIdentityError):
        change_patient(patient, {"sex": "M"}, uploader)


def test_a_save_that_changes_nothing_needs_no_reason(
    patient: Patient, signed: Study, uploader: User
) -> None:
    assert change_patient(patient, {"sex": "F", "name": patient.name}, uploader) == []


def test_a_refused_correction_leaves_no_trace(
    patient: Patient, signed: Study, radiologist: User
) -> None:
    other = make_patient()
    with pytest.raises(RecordError, match="Another patient"):
        change_patient(
            patient, {"patient_id": other.patient_id, "issuer": other.issuer}, radiologist, REASON
        )
    assert not IdentityCorrection.objects.exists()
    assert "patient.identity_corrected" not in audit_actions()


def test_the_uploaders_page_says_who_can_correct_it(
    patient: Patient, signed: Study, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    browser, address = sign_in(uploader), reverse("records:edit-patient", args=[patient.pk])
    page = browser.get(address).content.decode()
    assert "Only a radiologist can correct it now" in page
    assert 'name="family_name"' not in page
    answer = browser.post(address, {"patient_id": "H-1", "issuer": "TEST", "reason": REASON})
    assert "A radiologist can correct it" in answer.content.decode().replace("’", "'")
    patient.refresh_from_db()
    assert patient.name == "Phantom^Eva"


def test_the_radiologists_page_asks_for_the_reason(
    patient: Patient, signed: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser, address = sign_in(radiologist), reverse("records:edit-patient", args=[patient.pk])
    assert "A study of this patient is signed" in browser.get(address).content.decode()
    values = {
        "patient_id": "H-1",
        "issuer": "TEST",
        "family_name": "Phantom",
        "given_name": "Eva",
        "birth_date": "2019-01-02",
        "sex": "F",
    }
    assert "This field is required" in browser.post(address, values).content.decode()
    browser.post(address, values | {"reason": REASON})
    patient.refresh_from_db()
    assert patient.birth_date == date(2019, 1, 2)
    assert IdentityCorrection.objects.get().reason == REASON


def test_old_and_new_values_are_for_auditors_only(
    patient: Patient,
    uploader: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    change_patient(patient, {"name": "Phantom^Ewa"}, uploader)
    address = reverse("audit:trail")
    for role in (Role.UPLOADER, Role.RADIOLOGIST, Role.IT, Role.COORDINATOR):
        person = make_user(role, username=f"one-{role}")
        assert sign_in(person).get(address).status_code == 403
    page = sign_in(make_user(Role.AUDITOR)).get(address).content.decode()
    assert "name: Phantom^Eva" in page
    assert "name: Phantom^Ewa" in page
