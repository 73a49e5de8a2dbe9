"""Changing an unsigned study's case record, and assigning its patient."""

import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.inference import queue
from webportal.intake.claimed_identity import Identity, differences, existing_patient
from webportal.records.identity import format_birth_date, identity_made
from webportal.records.models import Patient, Study
from webportal.records.services import RecordError, change_patient, move_study
from webportal.review.models import ReadState
from webportal.review.reads.refusals import ReadingError
from webportal.review.reads.reservation import reservation_of

ALREADY_OF_PATIENT = gettext_lazy(
    "The study is recorded for this patient already. To correct the patient's data, open the"
    " patient's page."
)
CASE_RECORD_FIELDS = [
    "indication",
    "symptoms",
    "history",
    "referring_physician",
    "referrer",
    "accession_number",
    "description",
    "priority",
]


@transaction.atomic
def change_case_record(study: Study, values: dict[str, Any], by: User) -> list[str]:
    """Change case record fields and return the names of those that changed.

    A new priority also applies to the study's waiting jobs. Raises RecordError after signing.
    """
    if "priority" in values:
        queue.change_priority(study.pk, values["priority"])
    locked = _lock_unsigned(study.pk)
    changed = [
        name
        for name in CASE_RECORD_FIELDS
        if name in values and values[name] != getattr(locked, name)
    ]
    if not changed:
        return []
    detail: dict[str, Any] = {"fields": changed}
    if "priority" in changed:
        detail |= {"previous_priority": locked.priority, "priority": values["priority"]}
    for name in changed:
        setattr(locked, name, values[name])
    locked.save(update_fields=changed)
    append(Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail), by)
    return changed


def assign_patient(study: Study, identity: Identity, by: User, reason: str = "") -> Patient:
    """Assign a study's patient: complete its temporary patient, or move it to the given one.

    The patient is the one recorded under the Patient ID and issuer. If that record has another
    name, birth date or sex, nothing is changed: a person has to find out which is right. Raises
    RecordError then, and SignedIdentityError if a read is signed and `by` may not correct it or
    gives no reason.
    """
    try:
        with transaction.atomic():
            return _assign_patient(_lock(study.pk), identity, by, reason)
    except IntegrityError:
        raise RecordError(
            _(
                "Somebody else has just recorded a patient under this Patient ID. Save again to"
                " compare with that record."
            )
        ) from None


def refuse_if_reserved(study: Study, by: User) -> None:
    """Raise ReadingError if another reader is currently reading the study.

    For the API; the page warns before asking to confirm a move. Later changes are caught at the
    signature, which names the identity that its reader saw.
    """
    present = reservation_of(study)
    if present is None or present.reader_id == by.pk:
        return
    raise ReadingError(
        "reserved",
        _(
            "{reader} is reading this study. Agree with them first; to change its patient "
            "anyway, send despite_reservation."
        ).format(reader=present.reader),
    )


@transaction.atomic
def assign_known_patient(
    study: Study, patient: Patient, shown: str, by: User, reason: str = ""
) -> None:
    """Move a study to a recorded patient, after a person has compared the two.

    `shown` is the version of that patient's identity that they saw. Raises RecordError if it has
    changed since, and SignedIdentityError as `assign_patient` does.
    """
    locked = _lock(study.pk)
    if locked.patient_id == patient.pk:
        raise RecordError(str(ALREADY_OF_PATIENT))
    append_all(move_study(locked, patient, by, reason, shown), by)


def _assign_patient(study: Study, identity: Identity, by: User, reason: str) -> Patient:
    former = study.patient
    patient = existing_patient(identity)
    if patient == former:
        raise RecordError(str(ALREADY_OF_PATIENT))
    if patient is None and former.is_temporary and former.studies.count() == 1:
        change_patient(former, vars(identity), by, reason)
        return former
    events = []
    if patient is None:
        patient = Patient.objects.create(**vars(identity))
        events.append(
            Event(Action.PATIENT_CREATED, "patient", patient.pk, detail=identity_made(patient))
        )
    else:
        _refuse_mismatch(patient, identity)
    append_all([*events, *move_study(study, patient, by, reason)], by)
    return patient


def _refuse_mismatch(patient: Patient, identity: Identity) -> None:
    unlike = differences(patient, identity)
    if not unlike:
        return
    born = [format_birth_date(patient.birth_date)] if patient.birth_date else []
    recorded = ", ".join([patient.display_name, *born])
    raise RecordError(
        _(
            "The patient recorded under this Patient ID has a different {differences}:"
            " {recorded}. If it is another person, correct the Patient ID. If it is the same"
            " person, correct whichever record is wrong, then save again."
        ).format(differences=f" {_('and')} ".join(_(name) for name in unlike), recorded=recorded)
    )


def _lock_unsigned(study_id: uuid.UUID) -> Study:
    study = _lock(study_id)
    if study.reads.filter(state=ReadState.SIGNED).exists():
        raise RecordError(
            _(
                "The study is signed, and its case record with it. Write an addendum that says"
                " what is wrong."
            )
        )
    return study


def _lock(study_id: uuid.UUID) -> Study:
    return (
        Study.objects.select_for_update(of=("self",), no_key=True)
        .select_related("patient")
        .get(pk=study_id)
    )
