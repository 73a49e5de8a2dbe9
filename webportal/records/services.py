"""Changing the case record, with audit entries."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils.translation import gettext as _

from webportal.accounts.models import Role, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.database.clock import clock
from webportal.records.choices import ReadingState
from webportal.records.identity import KEYWORDS, identity_change, identity_version, shown_identity
from webportal.records.models import IdentityCorrection, Patient, Study
from webportal.refusals import Conflict

#: Why a study that was a prior is on the worklist, in the audit trail.
PRIOR_TO_BE_READ = "prior_to_be_read"
PATIENT_FIELDS = (*KEYWORDS, "is_temporary")


class RecordError(Conflict):
    """A change that is not allowed; the message says what to do."""


class SignedIdentityError(RecordError):
    """An identity under which a read is signed was changed other than by a correction.

    Corrections are made by a radiologist, with a reason.
    """

    code = "identity_signed"


def change_patient(
    patient: Patient, values: dict[str, Any], by: User, reason: str = ""
) -> list[str]:
    """Change a patient's data and return the names of the fields that changed.

    A temporary patient given another Patient ID is no longer temporary. Once a read of one of the
    patient's studies is signed this is a correction: it needs a reason and a radiologist. Raises
    SignedIdentityError if one of them is missing, and RecordError if another patient has that
    Patient ID.
    """
    try:
        with transaction.atomic():
            locked = lock_patient(patient)
            if values.get("patient_id", locked.patient_id) != locked.patient_id:
                values = values | {"is_temporary": False}
            changed = [
                name
                for name in PATIENT_FIELDS
                if name in values and values[name] != getattr(locked, name)
            ]
            if not changed:
                return []
            signed = signed_among(locked.studies.all())
            if signed:
                _refuse_without_right(by, reason)
            before, after = _save_changes(locked, {name: values[name] for name in changed})
            if signed:
                append_all(_correct(signed, before, after, reason, by), by)
            else:
                detail = {"fields": changed} | identity_change(before, after)
                append(Event(Action.PATIENT_CHANGED, "patient", locked.pk, detail=detail), by)
            return changed
    except IntegrityError:
        raise RecordError(
            _(
                "Another patient is recorded under this Patient ID and issuer. If both are the same"
                " person, move the studies to that patient instead; otherwise check the Patient ID."
            )
        ) from None


def complete_patient(patient: Patient, values: dict[str, Any]) -> list[Event]:
    """Fill in missing values of a patient's record and return what to audit.

    Nothing is filled in, and nothing returned, once a read of one of the patient's studies is
    signed: that is a correction, which a person makes. The patient must be locked.
    """
    if signed_among(patient.studies.all()):
        return []
    before, after = _save_changes(patient, values)
    detail = {"completed": sorted(values)} | identity_change(before, after)
    return [Event(Action.PATIENT_CHANGED, "patient", patient.pk, detail=detail)]


def _save_changes(
    patient: Patient, values: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Change a patient's record; return the identity before and after."""
    before = shown_identity(patient)
    for name, value in values.items():
        setattr(patient, name, value)
    patient.save(update_fields=list(values))
    return before, shown_identity(patient)


#: Sent in the transaction that records a study for another patient, with `study`, `former` (the
#: patient) and `by`. Receivers return what to audit.
study_moved = Signal()


def move_study(
    study: Study, patient: Patient, by: User, reason: str = "", shown: str | None = None
) -> list[Event]:
    """Record a study for another patient and return what to audit. The study must be locked.

    A temporary patient without studies is deleted; emergency accesses to them become accesses to
    the patient that they proved to be. `shown` is the version of the other patient's identity that
    a person has compared. Once a read of the study is signed this is a correction, as in
    `change_patient`. Raises SignedIdentityError if its conditions are not met, and RecordError
    if the other patient's record has changed.
    """
    signed = signed_among(Study.objects.filter(pk=study.pk))
    if signed:
        _refuse_without_right(by, reason)
    # Saving the study may append to the trail, after which nothing may be waited for: so the former
    # patient is locked as for being deleted, and the accesses to them are, too.
    both = Patient.objects.filter(pk__in=[study.patient_id, patient.pk]).order_by("pk")
    locked = {each.pk: each for each in both.select_for_update()}
    former, found = locked[study.patient_id], locked.get(patient.pk)
    if found is None or shown not in (None, identity_version(found)):
        raise RecordError(
            _("The other patient’s record has changed since it was shown. Compare again.")
        )
    is_removed = former.is_temporary and not former.studies.exclude(pk=study.pk).exists()
    of_former = former.emergency_accesses.order_by("pk").select_for_update()
    accesses = list(of_former) if is_removed else []
    before, after = shown_identity(former), shown_identity(found)
    study.patient = found
    study.save(update_fields=["patient"])
    if signed:
        events = _correct(signed, before, after, reason, by)
    else:
        detail: dict[str, Any] = {"from": str(former.pk), "to": str(found.pk)}
        detail |= {"fields": ["patient"], "before": before, "after": after}
        events = [Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)]
    former.emergency_accesses.filter(pk__in=[each.pk for each in accesses]).update(patient=found)
    answers: list[tuple[Any, Any]] = study_moved.send(Study, study=study, former=former, by=by)
    events += [event for _receiver, more in answers for event in more]
    if is_removed:
        detail = {"removed": "temporary", "studies_now_of": str(found.pk), "before": before}
        if accesses:
            detail["emergency_accesses"] = [str(each.pk) for each in accesses]
        events.append(Event(Action.PATIENT_CHANGED, "patient", former.pk, study.pk, detail))
        former.delete()
    return events


def signed_among(studies: QuerySet[Study]) -> list[Study]:
    """Return the studies with at least one signed read, whether or not others are due."""
    return list(studies.filter(reads__state=ReadingState.SIGNED).distinct().order_by("pk"))


def may_correct(person: User) -> bool:
    """Whether this person may correct an identity under which a read is signed."""
    return person.has_role(Role.RADIOLOGIST)


def _refuse_without_right(by: User, reason: str) -> None:
    if not may_correct(by):
        raise SignedIdentityError(
            _(
                "Nothing is changed: a study is signed under this identity. A radiologist can"
                " correct it, with a reason; tell one what is wrong."
            )
        )
    if not reason.strip():
        raise SignedIdentityError(
            _(
                "Nothing is changed: a study is signed under this identity. Give the reason for"
                " the correction."
            )
        )


def _correct(
    signed: list[Study], before: dict[str, str], after: dict[str, str], reason: str, by: User
) -> list[Event]:
    """Record the correction, which flags earlier signatures; return what to audit."""
    correction = IdentityCorrection.objects.create(
        before=before, after=after, reason=reason.strip(), corrected_by=by, at=clock()
    )
    correction.studies.set(signed)
    detail = {"correction": str(correction.pk), "reason": correction.reason}
    detail |= identity_change(before, after)
    return [
        Event(Action.IDENTITY_CORRECTED, "patient", after["patient"], study.pk, detail)
        for study in signed
    ]


def lock_patient(patient: Patient) -> Patient:
    """Lock a patient about to be changed, after locking the patient's studies.

    Triggers write a changed name and Patient ID into the studies, and signing locks the study and
    then the patient: another order could deadlock.
    """
    studies = Study.objects.filter(patient=patient).order_by("pk")
    list(studies.select_for_update(no_key=True).values_list("pk", flat=True))
    return Patient.objects.select_for_update().get(pk=patient.pk)


def return_to_worklist(study: Study) -> list[Event]:
    """Put a study on the worklist that was signed or a prior; return what to audit.

    That is when an image is added after signing, or when a prior is to be read after all. The study
    must be locked. The signed read stays; an addendum closes the study again.
    """
    if study.reading_state == ReadingState.UNREAD:
        return []
    was_prior = study.reading_state == ReadingState.PRIOR
    study.reading_state = ReadingState.UNREAD
    study.save(update_fields=["reading_state"])
    reason = PRIOR_TO_BE_READ if was_prior else "image_after_signature"
    detail = {"fields": ["reading_state"], "reason": reason}
    return [Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)]
