"""Match: the recorded patient and study of an image. Doubts are left to a person."""

import uuid
from typing import Any, NamedTuple

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event
from webportal.database.rows import insert_or_get
from webportal.intake.claimed_identity import COMPARED, Identity, differences, differing
from webportal.intake.errors import PatientDoubtError, RefusedError
from webportal.intake.pipeline.identify import StudyFacts
from webportal.orders.linking import link_study, lock_numbers_of
from webportal.reasons import NO_REASON, Reason
from webportal.records.choices import ReadingState
from webportal.records.identity import identity_made
from webportal.records.models import Patient, Study
from webportal.records.services import complete_patient, lock_patient


class Match(NamedTuple):
    """The study of an image, what to audit, whether it is new, and what to tell the sender."""

    study: Study
    events: list[Event]
    is_new: bool
    note: Reason = NO_REASON


def match(identity: Identity, study: StudyFacts, by: User, department: uuid.UUID) -> Match:
    """Return the study, found or created with its patient, a new one in `department`.

    Values missing in the patient's record are filled in until a read of one of their studies is
    signed. Raises PatientDoubtError if the patient's record differs or the study belongs to
    somebody else, and RefusedError if the study is in a department that the sender cannot see; the
    caller's transaction is then to be rolled back.
    """
    patient, events, note = _patient(identity, study.accession_number)
    unlike = differing(patient, identity)
    if unlike:
        raise PatientDoubtError("patient_mismatch", differences=unlike)
    return _study_of(patient, study, events, by, department)._replace(note=note)


def _patient(identity: Identity, accession_number: str) -> tuple[Patient, list[Event], Reason]:
    key = {"patient_id": identity.patient_id, "issuer": identity.issuer}
    patient, created = insert_or_get(Patient(**vars(identity)), **key)
    if created:
        return patient, [patient_created(patient)], NO_REASON
    if not missing_in(patient, identity) or differences(patient, identity):
        return patient, [], NO_REASON
    patient = lock_patient(patient)
    missing = missing_in(patient, identity)
    if not missing or differences(patient, identity):
        return patient, [], NO_REASON
    # Completing it may append to the trail, before the study looks for its orders.
    lock_numbers_of(patient, accession_number)
    events = complete_patient(patient, missing)
    if events:
        return patient, events, NO_REASON
    return patient, [], Reason("signed_record_kept", {"missing": list(missing)})


def is_elsewhere(study: Study, by: User) -> bool:
    """Whether `by` may not see the study; a DICOM node is not restricted."""
    return not by.is_node and not Study.objects.visible_to(by).filter(pk=study.pk).exists()


def refuse_elsewhere(study: Study, by: User) -> None:
    """Raise RefusedError if `by` may not see the study, so that nobody adds to it unseen."""
    if is_elsewhere(study, by):
        raise RefusedError("study_elsewhere")


def patient_created(patient: Patient) -> Event:
    """What to audit of a new patient."""
    return Event(Action.PATIENT_CREATED, "patient", patient.pk, detail=identity_made(patient))


def missing_in(patient: Patient, identity: Identity) -> dict[str, Any]:
    """The values of `identity` that the patient's record lacks."""
    return {
        name: getattr(identity, name)
        for name in COMPARED
        if getattr(identity, name) and not getattr(patient, name)
    }


def _study_of(
    patient: Patient,
    facts: StudyFacts,
    events: list[Event],
    by: User,
    department: uuid.UUID,
) -> Match:
    new = new_study(patient, facts, by, department)
    study, created = insert_or_get(new, study_instance_uid=facts.study_instance_uid)
    if created:
        return Match(study, [*events, *link_created(study)], is_new=True)
    refuse_elsewhere(study, by)
    if study.patient_id != patient.pk:
        raise PatientDoubtError("study_mismatch")
    if facts.priority >= study.priority:
        return Match(study, events, is_new=False)
    detail = {"priority": facts.priority, "previous_priority": study.priority}
    study.priority = facts.priority
    study.save(update_fields=["priority"])
    changed = Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)
    return Match(study, [*events, changed], is_new=False)


def new_study(patient: Patient, facts: StudyFacts, by: User, department: uuid.UUID) -> Study:
    """Return a study as a file describes it, not yet saved."""
    return Study(
        study_instance_uid=facts.study_instance_uid,
        patient=patient,
        accession_number=facts.accession_number,
        description=facts.description,
        performed_at=facts.performed_at,
        referring_physician=facts.referring_physician,
        indication=facts.indication,
        symptoms=facts.symptoms,
        history=facts.history,
        priority=facts.priority,
        reading_state=ReadingState.PRIOR if facts.is_prior else ReadingState.UNREAD,
        department_id=department,
        created_by=by,
    )


def link_created(study: Study) -> list[Event]:
    """Link a study that was just created to its orders; return what to audit of it."""
    detail: dict[str, Any] = {
        "patient": str(study.patient_id),
        "study_instance_uid": study.study_instance_uid,
        "priority": study.priority,
        "department": str(study.department_id),
    }
    if study.reading_state == ReadingState.PRIOR:
        detail["prior"] = True
    made = Event(Action.STUDY_CREATED, "study", study.pk, study.pk, detail)
    return [made, *link_study(study)]
