"""Merging a file's header with the uploader's case record."""

import hashlib

from django.db.models import Q

from ml.images import ImageFacts
from webportal.intake.cases import case_record
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks import wrapping
from webportal.intake.checks.study_dates import StudyMoment, real_birth_date, study_moment
from webportal.intake.errors import RefusedError
from webportal.intake.matching import Identity, StudyFacts
from webportal.intake.models import IdentityMode, UploadBatch, Verdict
from webportal.records.choices import Sex
from webportal.records.models import OWN_ISSUER

TEMPORARY_PREFIX = "TMP-"


def record_for(batch: UploadBatch, file_name: str) -> CaseRecord | None:
    """Return the case record that the uploader gave for a file, if any."""
    key = _record_key(batch, file_name)
    return None if key is None else CaseRecord.from_json(batch.case_records[key])


def _record_key(batch: UploadBatch, file_name: str) -> str | None:
    if batch.identity_mode == IdentityMode.FORM:
        return case_record.FORM_KEY
    if batch.identity_mode == IdentityMode.SHEET:
        return case_record.matching_key(batch.case_records, file_name)
    return None


def refuse_second_use_of_line(batch: UploadBatch, file_name: str) -> None:
    """Raise RefusedError where a sheet's line serves another file of the batch already.

    A line may name a file without its folder. Where two folders hold a file of that name, or one
    folder two names that look alike, the line would give both to one patient. Locks the batch, so
    that two such files cannot pass together.
    """
    if batch.identity_mode != IdentityMode.SHEET:
        return
    key = _record_key(batch, file_name)
    if key is None:
        return
    UploadBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    others = batch.items.exclude(file_name=file_name).exclude(verdict=Verdict.REFUSED)
    may_be_alike = Q(file_name__iendswith=key.rsplit("/", 1)[-1]) | Q(file_name__regex=r"[^ -~]")
    for name in others.filter(may_be_alike).values_list("file_name", flat=True):
        if _record_key(batch, name) == key:
            raise RefusedError(
                "ambiguous_sheet_line",
                "Two files fit the same line of the sheet. Write the folder before the file's name"
                " in the sheet, and send the sheet and this file as a new batch.",
            )


def not_in_sheet() -> RefusedError:
    """Return the refusal of a file that needs a line in the sheet and has none."""
    return RefusedError(
        "not_in_sheet",
        "The sheet has no line for this file. Add the line, and send the sheet and this file as a"
        " new batch.",
    )


def header_for(
    batch: UploadBatch, record: CaseRecord | None, sha256: str
) -> wrapping.Header | None:
    """Return the DICOM header for a JPEG or PNG; None where the sheet has no line for it."""
    if record is not None:
        return wrapping.Header(
            patient_id=record.patient_id,
            issuer_of_patient_id=record.issuer,
            patient_name=record.name,
            patient_birth_date=record.birth_date,
            patient_sex=record.sex,
            study_instance_uid=_study_uid(batch, record),
            accession_number=record.accession_number,
            referring_physician_name=record.referring_physician,
            study_date=record.study_date,
        )
    if batch.identity_mode == IdentityMode.SHEET:
        return None
    study_uid = wrapping.make_uid("study", sha256)
    return wrapping.Header(
        patient_id=temporary_patient_id(study_uid),
        issuer_of_patient_id=OWN_ISSUER,
        study_instance_uid=study_uid,
    )


def _study_uid(batch: UploadBatch, record: CaseRecord) -> str:
    """Return the UID of the study that a record describes.

    An accession number tells studies apart by itself; without one the files of a patient and day
    within a batch are a study.
    """
    patient = (record.patient_id, record.issuer)
    if record.accession_number:
        return wrapping.make_uid("study", *patient, record.accession_number)
    return wrapping.make_uid("study", str(batch.pk), *patient, str(record.study_date or ""))


def temporary_patient_id(study_instance_uid: str) -> str:
    """Return the Patient ID for a study of which no patient is known."""
    digest = hashlib.sha256(study_instance_uid.encode()).hexdigest()
    return TEMPORARY_PREFIX + digest[:16].upper()


def identity(batch: UploadBatch, record: CaseRecord | None, facts: ImageFacts) -> Identity:
    """Return whose image this is by its DICOM header or else by the case record.

    Raises RefusedError where the two name different patients, or neither names one and the batch
    wants a line in its sheet.
    """
    if facts.patient_id:
        own = identity_in_header(facts)
        if record is not None and _contradicts(own, record):
            raise RefusedError(
                "patient_contradiction",
                "The file names another patient than you did. Check which is right, and send the"
                " file in a new batch with the right patient, or without one.",
            )
        return own
    if record is not None:
        return Identity(
            record.patient_id, record.issuer, record.name, record.birth_date, record.sex
        )
    if batch.identity_mode == IdentityMode.SHEET:
        raise not_in_sheet()
    return temporary_identity(facts, facts.study_instance_uid)


def temporary_identity(facts: ImageFacts, study_instance_uid: str) -> Identity:
    """Return a temporary patient with whatever else the header says of the person."""
    known = identity_in_header(facts)
    return Identity(
        temporary_patient_id(study_instance_uid),
        OWN_ISSUER,
        known.name,
        known.birth_date,
        known.sex,
        is_temporary=True,
    )


def identity_in_header(facts: ImageFacts) -> Identity:
    """Return whom a file's header names; a temporary patient of ours where it came from here."""
    issuer = facts.issuer_of_patient_id
    return Identity(
        facts.patient_id,
        issuer,
        facts.patient_name,
        real_birth_date(facts),
        facts.patient_sex if facts.patient_sex in Sex.values else "",
        is_temporary=issuer == OWN_ISSUER and facts.patient_id.startswith(TEMPORARY_PREFIX),
    )


def _contradicts(own: Identity, record: CaseRecord) -> bool:
    return own.patient_id != record.patient_id or bool(
        own.issuer and record.issuer and own.issuer != record.issuer
    )


def study(batch: UploadBatch, record: CaseRecord | None, facts: ImageFacts) -> StudyFacts:
    """Return what header and case record say of the study; the header goes first."""
    given = record or CaseRecord(patient_id="")
    return StudyFacts(
        study_instance_uid=facts.study_instance_uid,
        accession_number=facts.accession_number or given.accession_number,
        description=facts.study_description,
        performed_at=moment(record, facts).at,
        referring_physician=facts.referring_physician_name or given.referring_physician,
        indication=given.indication,
        symptoms=given.symptoms,
        history=given.history,
        priority=batch.priority if given.priority is None else given.priority,
    )


def moment(record: CaseRecord | None, facts: ImageFacts) -> StudyMoment:
    """Return when the study was made as far as header and case record say it for certain."""
    given = record or CaseRecord(patient_id="")
    return study_moment(facts, given.study_date, real_birth_date(facts) or given.birth_date)
