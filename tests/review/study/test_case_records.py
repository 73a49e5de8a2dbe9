"""Correcting the case record and the patient of an unsigned study."""

from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise

from tests.conftest import PASSWORD
from tests.factories import (
    make_job,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.helpers import audit_actions, fields_left_out
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.intake.claimed_identity import Identity
from webportal.records.identity import shown_identity
from webportal.records.models import OWN_ISSUER, IdentityCorrection, Patient, Study
from webportal.records.services import RecordError, SignedIdentityError
from webportal.review.reads.services import Entry
from webportal.review.study.case_records import assign_patient, change_case_record
from webportal.review.study.forms import StudyCaseRecordForm

pytestmark = pytest.mark.django_db

EVA = Identity("H1", "", "Müller^Eva", date(2020, 2, 29), "F")


def temporary_study() -> Study:
    patient = make_patient(patient_id="TMP-1", issuer=OWN_ISSUER, name="", is_temporary=True)
    return make_study(patient=patient)


def eva() -> Patient:
    return Patient.objects.create(**vars(EVA))


def test_a_change_is_audited_with_field_names_but_no_text(uploader: User) -> None:
    study = make_study()
    values = {"indication": "Cough of Eva Müller", "symptoms": ["cough"], "history": ""}
    assert change_case_record(study, values, uploader) == ["indication", "symptoms"]
    study.refresh_from_db()
    assert (study.indication, study.symptoms) == ("Cough of Eva Müller", ["cough"])
    entry = AuditEntry.objects.get(action="study.changed")
    assert entry.detail == {"fields": ["indication", "symptoms"]}
    assert change_case_record(study, values, uploader) == []
    assert AuditEntry.objects.filter(action="study.changed").count() == 1


def test_saving_the_page_of_the_case_record_empties_nothing(
    radiologist: User, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    """The template lists the fields, and a field that it leaves out would be saved as empty."""
    left = make_user(Role.REFERRER)
    left.is_active = False
    left.save()
    browser, study = sign_in(radiologist), make_study(referrer=left)
    address = reverse("review:case-record", args=[study.pk])
    page = browser.get(address)
    assert fields_left_out(page) == set()
    shown = {name: value for name, value in page.context["form"].initial.items() if value}
    assert browser.post(address, shown).status_code == 302
    study.refresh_from_db()
    assert study.referrer == left
    assert "study.changed" not in audit_actions()


def test_every_field_of_the_case_record_has_a_label_to_translate() -> None:
    fields = StudyCaseRecordForm(instance=make_study()).fields
    assert [name for name, field in fields.items() if not isinstance(field.label, Promise)] == []


def test_a_new_priority_applies_to_waiting_jobs(radiologist: User) -> None:
    waiting, finished = make_job(), make_job(state="done")
    finished.radiograph.study = waiting.radiograph.study
    for job in (waiting, finished):
        change_case_record(job.radiograph.study, {"priority": 0}, radiologist)
        job.refresh_from_db()
    assert (waiting.priority, finished.priority) == (0, 2)


def test_after_signing_the_case_record_cannot_be_changed(radiologist: User) -> None:
    prediction = make_prediction()
    study = prediction.radiograph.study
    sign(study, radiologist, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    with pytest.raises(RecordError, match="addendum"):
        change_case_record(study, {"indication": "other"}, radiologist)


def test_after_signing_moving_a_study_is_a_correction(radiologist: User, uploader: User) -> None:
    prediction = make_prediction()
    study, former = prediction.radiograph.study, prediction.radiograph.study.patient
    read = sign(study, radiologist, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    for person, reason, words in (
        (uploader, "Mixed up", "radiologist"),
        (radiologist, "", "reason"),
    ):
        with pytest.raises(SignedIdentityError, match=words):
            assign_patient(study, EVA, person, reason)
    assert not Patient.objects.filter(patient_id="H1").exists()
    patient = assign_patient(study, EVA, radiologist, "Mixed up")
    study.refresh_from_db()
    assert study.patient == patient
    correction = IdentityCorrection.objects.get()
    assert correction.before == shown_identity(former)
    assert correction.after == shown_identity(patient)
    assert list(correction.studies.all()) == [study]
    entry = AuditEntry.objects.get(action="patient.identity_corrected")
    assert entry.study_id == study.pk
    assert entry.detail["reason"] == "Mixed up"
    assert entry.detail["before"]["patient"] == str(former.pk)
    assert entry.detail["after"]["name"] == "Müller^Eva"
    assert "study.changed" not in audit_actions()
    read.refresh_from_db()
    assert read.identity == shown_identity(former)


def test_completing_a_temporary_patient_after_signing_is_a_correction(
    radiologist: User, uploader: User
) -> None:
    study = make_radiograph(temporary_study()).study
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    with pytest.raises(SignedIdentityError):
        assign_patient(study, EVA, uploader)
    assign_patient(study, EVA, radiologist, "Now known")
    correction = IdentityCorrection.objects.get()
    assert correction.before["patient_id"] == "TMP-1"
    assert correction.after["name"] == "Müller^Eva"


def test_a_temporary_patient_is_completed_in_place(uploader: User) -> None:
    study = temporary_study()
    patient = assign_patient(study, EVA, uploader)
    assert patient.pk == study.patient_id
    patient.refresh_from_db()
    assert (patient.patient_id, patient.name, patient.is_temporary) == ("H1", "Müller^Eva", False)
    assert audit_actions() == ["patient.changed"]


def test_a_temporary_patient_is_replaced_by_a_recorded_one(uploader: User) -> None:
    study, known = temporary_study(), eva()
    assign_patient(study, Identity("H1", name="MÜLLER^EVA"), uploader)
    study.refresh_from_db()
    assert study.patient == known
    assert not Patient.objects.filter(is_temporary=True).exists()
    assert audit_actions() == ["study.changed", "patient.changed"]
    removed = AuditEntry.objects.get(action="patient.changed")
    assert removed.detail["before"]["patient_id"] == "TMP-1"


@pytest.mark.parametrize(
    "claimed",
    [
        Identity("H1", name="Meier^Eva"),
        Identity("H1", birth_date=date(2020, 3, 1)),
        Identity("H1", name="Müller^Eva", sex="M"),
    ],
    ids=["name", "birth date", "sex"],
)
def test_a_mismatch_never_merges_patients(claimed: Identity, uploader: User) -> None:
    study, _ = temporary_study(), eva()
    with pytest.raises(RecordError, match=r"has a different .*Müller, Eva"):
        assign_patient(study, claimed, uploader)
    study.refresh_from_db()
    assert study.patient.is_temporary
    assert audit_actions() == []


def test_a_mismatch_names_the_recorded_patient_in_the_readers_language(uploader: User) -> None:
    study, _ = temporary_study(), eva()
    with translation.override("ne"), pytest.raises(RecordError) as refused:
        assign_patient(study, Identity("H1", name="Meier^Eva"), uploader)
    message = str(refused.value)
    assert "Müller, Eva, जन्म 2020-02-29" in message
    assert "born" not in message


def test_the_issuer_distinguishes_patients(uploader: User) -> None:
    study, known = temporary_study(), eva()
    patient = assign_patient(study, Identity("H1", issuer="OTHER", name="Meier^Eva"), uploader)
    assert patient != known
    assert Patient.objects.count() == 2


def test_moving_a_study_to_a_new_patient_keeps_the_former_one(uploader: User) -> None:
    wrong = make_patient()
    study, other = make_study(patient=wrong), make_study(patient=wrong)
    patient = assign_patient(study, EVA, uploader)
    assert list(patient.studies.all()) == [study]
    assert list(wrong.studies.all()) == [other]
    assert audit_actions() == ["patient.created", "study.changed"]
    entry = AuditEntry.objects.get(action="study.changed")
    assert entry.detail["from"] == str(wrong.pk)
    assert entry.detail["to"] == str(patient.pk)
    assert entry.detail["before"]["name"] == wrong.name
    assert entry.detail["after"] == shown_identity(patient)


def test_assigning_the_current_patient_is_not_a_move(uploader: User) -> None:
    study = make_study(patient=eva())
    with pytest.raises(RecordError, match="already"):
        assign_patient(study, EVA, uploader)


def test_the_forms_shown_to_an_uploader(uploader: User, sign_in: Callable[[User], Client]) -> None:
    browser, study = sign_in(uploader), temporary_study()
    address = reverse("review:study-patient", args=[study.pk])
    page = browser.get(address)
    assert "TMP-1" not in page.content.decode()
    known = eva()
    values = {"patient_id": "H1", "family_name": "Meier", "given_name": "Eva"}
    refused = browser.post(address, values)
    assert "has a different name" in refused.content.decode()
    assert "Meier" in refused.content.decode()
    shown = browser.post(address, values | {"family_name": "Müller"}, follow=True)
    study.refresh_from_db()
    assert study.patient != known, "nothing moves before both were compared"
    version = shown.context["form"].initial["shown"]
    move = {"step": "move", "to": str(known.pk), "shown": version}
    answer = browser.post(address, move)
    study.refresh_from_db()
    assert study.patient == known
    assert answer.headers["Location"] == reverse("records:patient", args=[study.patient_id])
    address = reverse("review:case-record", args=[study.pk])
    browser.post(address, {"indication": "Fever", "symptoms": ["fever", "cough"], "priority": 1})
    study.refresh_from_db()
    assert (study.indication, study.priority) == ("Fever", 1)


def test_raising_the_priority_never_lowers_it(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser, study = sign_in(radiologist), make_study(priority=1)
    address = reverse("review:priority", args=[study.pk])
    for wrong in ("2", "1", "7", ""):
        browser.post(address, {"priority": wrong})
        study.refresh_from_db()
        assert study.priority == 1
    browser.post(address, {"priority": "0"})
    study.refresh_from_db()
    assert study.priority == 0
