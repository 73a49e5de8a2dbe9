"""Identify: the patient and study of a file, from its header and the case record."""

from dataclasses import dataclass, field
from datetime import datetime

from ml.images import ImageFacts
from webportal.intake.cases import lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks.study_dates import StudyMoment, real_birth_date, study_moment
from webportal.intake.claimed_identity import Identity, identity_in_header, temporary_identity
from webportal.intake.errors import RefusedError
from webportal.intake.models import IdentityMode, UploadBatch
from webportal.records.choices import Priority


@dataclass(frozen=True)
class StudyFacts:
    """A study as described by a file and its case record."""

    study_instance_uid: str
    accession_number: str = ""
    description: str = ""
    performed_at: datetime | None = None
    referring_physician: str = ""
    indication: str = ""
    symptoms: list[str] = field(default_factory=list)
    history: str = ""
    priority: int = Priority.ROUTINE
    is_prior: bool = False


@dataclass(frozen=True)
class Claim:
    """The patient and study claimed by a file; `moment`: its date, with any doubts about it."""

    patient: Identity
    study: StudyFacts
    moment: StudyMoment


def identify(batch: UploadBatch, record: CaseRecord | None, facts: ImageFacts) -> Claim:
    """Return patient and study from header and case record; the header takes precedence.

    Raises RefusedError if the two name different patients, or neither names one and the batch
    requires a line in its sheet.
    """
    patient, made = _patient(batch, record, facts), _moment(record, facts)
    return Claim(patient, _study(batch, record, facts, made), made)


def _patient(batch: UploadBatch, record: CaseRecord | None, facts: ImageFacts) -> Identity:
    if facts.patient_id:
        own = identity_in_header(facts)
        if record is not None and _contradicts(own, record):
            raise RefusedError("patient_contradiction")
        return own
    if record is not None:
        return Identity(
            record.patient_id, record.issuer, record.name, record.birth_date, record.sex
        )
    if batch.identity_mode == IdentityMode.SHEET:
        raise lookup.not_in_sheet()
    return temporary_identity(facts, facts.study_instance_uid)


def _contradicts(own: Identity, record: CaseRecord) -> bool:
    return own.patient_id != record.patient_id or bool(
        own.issuer and record.issuer and own.issuer != record.issuer
    )


def _study(
    batch: UploadBatch, record: CaseRecord | None, facts: ImageFacts, made: StudyMoment
) -> StudyFacts:
    given = record or CaseRecord(patient_id="")
    return StudyFacts(
        study_instance_uid=facts.study_instance_uid,
        accession_number=facts.accession_number or given.accession_number,
        description=facts.study_description,
        performed_at=made.at,
        referring_physician=facts.referring_physician_name or given.referring_physician,
        indication=given.indication,
        symptoms=given.symptoms,
        history=given.history,
        priority=batch.priority if given.priority is None else given.priority,
        is_prior=batch.is_prior,
    )


def _moment(record: CaseRecord | None, facts: ImageFacts) -> StudyMoment:
    given = record or CaseRecord(patient_id="")
    return study_moment(facts, given.study_date, real_birth_date(facts) or given.birth_date)
