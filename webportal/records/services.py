"""Changing the case record, with the audit entries."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Patient, ReadingState, Study

PATIENT_FIELDS = ("patient_id", "issuer", "name", "birth_date", "sex", "is_temporary")


class RecordError(Exception):
    """A change that the records do not allow; the message says what to do."""


def change_patient(patient: Patient, values: dict[str, Any], by: User) -> list[str]:
    """Change a patient's data and return the names of the fields that changed.

    A temporary patient who is given another Patient ID is temporary no longer. Raises RecordError
    when another patient has that Patient ID.
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
            for name in changed:
                setattr(locked, name, values[name])
            locked.save(update_fields=changed)
            detail = {"fields": changed}
            append(Event(Action.PATIENT_CHANGED, "patient", locked.pk, detail=detail), by)
            return changed
    except IntegrityError:
        raise RecordError(
            _(
                "Another patient is recorded under this Patient ID and issuer. If both are the same"
                " person, move the studies to that patient instead; otherwise check the Patient ID."
            )
        ) from None


def lock_patient(patient: Patient) -> Patient:
    """Lock a patient whose data are to change, and before it the patient's studies.

    Triggers write a changed name and Patient ID into the studies, and whoever signs a read holds
    the study and then the patient: in another order the two would wait for each other.
    """
    studies = Study.objects.filter(patient=patient).order_by("pk")
    list(studies.select_for_update(no_key=True).values_list("pk", flat=True))
    return Patient.objects.select_for_update().get(pk=patient.pk)


def return_to_worklist(study: Study) -> list[Event]:
    """Let a study be read again when an image joins it after the signature; what to audit.

    The study must be locked. The signed read stays; an addendum closes the study again.
    """
    if study.reading_state == ReadingState.UNREAD:
        return []
    study.reading_state = ReadingState.UNREAD
    study.save(update_fields=["reading_state"])
    detail = {"fields": ["reading_state"], "reason": "image_after_signature"}
    return [Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)]
