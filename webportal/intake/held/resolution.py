"""Resolving held files."""

import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from django.db import DataError, IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ml.errors import ImageError
from ml.images import ImageFacts
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.deadlocks import retried
from webportal.intake.cases import lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks import image_file, wrapping
from webportal.intake.checks.study_dates import StudyMoment, born_by_bikram_sambat
from webportal.intake.claimed_identity import (
    Identity,
    differences,
    differing,
    existing_patient,
    recorded_identity,
    temporary_identity,
)
from webportal.intake.errors import (
    IntakeError,
    NotHeldError,
    PatientDoubtError,
    RefusedError,
    StorageNotOursError,
)
from webportal.intake.held.reasons import held_for, rows_of
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.pipeline import check, identify, match, store
from webportal.intake.pipeline.identify import StudyFacts
from webportal.intake.pipeline.upload import Upload
from webportal.records import file_faults
from webportal.records.ages import contradicts
from webportal.records.identifiers import UNREADABLE
from webportal.records.models import Patient, Study
from webportal.storage import DamagedFileError, StorageAwayError, read_verified, trash

logger = logging.getLogger(__name__)


class HeldDecision(models.TextChoices):
    """A person's decision on a held file."""

    SAME = "same", _("It is the recorded patient")
    OTHER = "other", _("It is another person")
    CORRECTED = "corrected", _("It is as corrected")
    BIKRAM_SAMBAT = "bikram_sambat", _("Its dates are in Bikram Sambat")
    DISCARD = "discard", _("Discard the file")


@dataclass(frozen=True)
class Question:
    """A held file beside the record that it contradicts.

    `claimed`: the patient named by the file, or by the case record sent with it; `recorded`: the
    patient it would belong to by its identifiers, None if there is none; `moment`: the study date
    according to the file, with any doubts about it.
    """

    upload: Upload
    record: CaseRecord | None
    kind: str
    facts: ImageFacts
    claimed: Identity
    study: StudyFacts
    moment: StudyMoment
    recorded: Patient | None

    @property
    def differences(self) -> list[str]:
        """The values that differ."""
        return differences(self.recorded, self.claimed) if self.recorded else []

    @property
    def rows_in_doubt(self) -> set[str]:
        """The rows of the page whose values differ, were not decoded, or are a date to come."""
        rows = rows_of(self.facts.doubtful_letters)
        if self.recorded is not None:
            rows |= {*differing(self.recorded, self.claimed)}
            named = {name: getattr(self.recorded, name) for name in ("patient_id", "issuer")}
            rows |= {name for name, value in named.items() if value != getattr(self.claimed, name)}
        return rows | ({"birth_date"} if self.born_by_bikram_sambat else set())

    @property
    def born_by_bikram_sambat(self) -> date | None:
        """The date of birth converted from Bikram Sambat, if it is in the future."""
        born = self.claimed.birth_date
        return born_by_bikram_sambat(born) if born else None


@dataclass(frozen=True)
class Correction:
    """A person's values for a held file's patient and study, replacing the file's."""

    identity: Identity
    accession_number: str = ""
    study_date: date | None = None


def question(item: UploadItem, by: User) -> Question:
    """Return what a person needs to know to decide.

    Raises NotHeldError, and RefusedError if the file would no longer be accepted; it can then only
    be discarded.
    """
    item.refresh_from_db()
    if item.verdict != Verdict.HELD:
        raise NotHeldError
    data = _read_held(item)
    upload = Upload.of(item.batch, item.file_name, data, by)
    record = lookup.record_for(item.batch, item.file_name)
    try:
        checked = check.check(upload, record)
    except ImageError as error:
        raise RefusedError(error.code, **error.params) from None
    claim = identify.identify(item.batch, record, checked.facts)
    return Question(
        upload,
        record,
        checked.kind,
        checked.facts,
        claim.patient,
        claim.study,
        claim.moment,
        _recorded(claim.patient, claim.study),
    )


def _recorded(claimed: Identity, study: StudyFacts) -> Patient | None:
    patient = existing_patient(claimed)
    existing = Study.objects.filter(study_instance_uid=study.study_instance_uid).first()
    if existing is not None and (patient is None or not differences(patient, claimed)):
        return existing.patient
    return patient


def resolve(
    item: UploadItem, decision: HeldDecision, by: User, correction: Correction | None = None
) -> UploadItem:
    """Carry out a decision and return the item with its new verdict.

    `correction` belongs to HeldDecision.CORRECTED. Raises NotHeldError if the item has already been
    decided on, PatientDoubtError or RefusedError if the decision cannot be carried out; the file is
    then still held.
    """
    if decision == HeldDecision.DISCARD:
        return _discard(item, by)
    asked = question(item, by)
    if decision == HeldDecision.SAME:
        if asked.recorded is None:
            raise PatientDoubtError("nobody_recorded")
        identity, study = _identity_of(asked.recorded), asked.study
    elif decision == HeldDecision.BIKRAM_SAMBAT:
        identity, study = _converted(asked)
    elif correction is not None:
        identity, study = correction.identity, _corrected_study(asked, correction)
    else:
        identity, study = _other_person(asked)
    study = replace(study, accession_number=_readable(study.accession_number))
    checked = _check_again(asked, identity, study)
    try:
        return retried(lambda: _carry_out(item, asked, identity, study, checked, decision, by))
    except (DataError, IntegrityError) as error:
        # Only the kind of error: its text may quote the file, and so a patient.
        logger.error("Deciding on a held file failed with %s", type(error).__name__)
        raise RefusedError("internal_error") from None


def _carry_out(
    item: UploadItem,
    asked: Question,
    identity: Identity,
    study: StudyFacts,
    checked: image_file.CheckedImage,
    decision: HeldDecision,
    by: User,
) -> UploadItem:
    with store.storing_exclusively([asked.upload.sha256]) as put:
        held_key = _lock_held(item)
        resolved = store.duplicate(asked.upload, None)
        if resolved is None:
            store.refuse_if_stored(checked.facts)
            found = match.match(identity, study, by, item.batch.department_id)
            resolved = store.accept(asked.upload, checked, found, put)
        _record(resolved, decision, by)
        transaction.on_commit(lambda: trash.discard(held_key))
    return resolved


def alike_in_calendar(item: UploadItem) -> list[UploadItem]:
    """Return the other held files of the batch whose dates also look like Bikram Sambat."""
    if item.reason_code != "bikram_sambat":
        return []
    others = item.batch.items.filter(verdict=Verdict.HELD, reason_code=item.reason_code)
    return list(others.exclude(pk=item.pk))


def alike(item: UploadItem, by: User) -> list[UploadItem]:
    """Return the other held files of the batch that name the same person."""
    claimed = _claimed(item, by)
    others = item.batch.items.filter(verdict=Verdict.HELD).exclude(pk=item.pk)
    return [other for other in others if claimed and _claimed(other, by) == claimed]


def correctable_alike(
    item: UploadItem, asked: Question, others: list[UploadItem]
) -> list[UploadItem]:
    """Return those of `alike` held for the same reason, which may be corrected the same way.

    Empty if characters of the Patient ID were lost: two people may then look the same. Empty too if
    only a date is in doubt, because each study has its own.
    """
    if not held_for(item.reason).is_alike or UNREADABLE in asked.claimed.patient_id:
        return []
    return [each for each in others if each.reason == item.reason]


def for_another(correction: Correction, asked: Question, other: Question) -> Correction:
    """Adapt the correction of one file to another that names the same person.

    Accession number and date are corrected if both files have the same values; otherwise each keeps
    its own. Raises PatientDoubtError if the other's own date is in doubt.
    """
    own, its = asked.study.accession_number, other.study.accession_number
    number = correction.accession_number if own == its else its
    if asked.moment == other.moment:
        return Correction(correction.identity, number, correction.study_date)
    if other.moment.doubtful is not None:
        raise PatientDoubtError("study_date_in_doubt")
    at = other.moment.at
    return Correction(correction.identity, number, timezone.localtime(at).date() if at else None)


def _read_held(item: UploadItem) -> bytes:
    """Return a held file, verified against the hash it arrived with."""
    try:
        return read_verified(item.held_key, item.sha256)
    except (FileNotFoundError, DamagedFileError):
        item.refresh_from_db()
    if item.verdict != Verdict.HELD:  # somebody else's decision was carried out meanwhile
        raise NotHeldError
    try:
        fault = file_faults.fault_of(item.held_key, item.sha256)
    except StorageAwayError as error:
        raise StorageNotOursError from error
    if fault is None:
        return read_verified(item.held_key, item.sha256)
    file_faults.record(item.held_key, fault)
    raise RefusedError("file_damaged", variant="held")


def _claimed(item: UploadItem, by: User) -> Identity | None:
    """The person named by a file; None if it would no longer be accepted."""
    try:
        return question(item, by).claimed
    except IntakeError:
        return None


def _converted(asked: Question) -> tuple[Identity, StudyFacts]:
    """Return patient and study with future dates converted from Bikram Sambat."""
    born, at = asked.born_by_bikram_sambat, asked.moment.by_bikram_sambat
    if born is None and at is None:
        raise PatientDoubtError("not_bikram_sambat")
    identity = replace(asked.claimed, birth_date=born or asked.claimed.birth_date)
    study = replace(asked.study, performed_at=at or asked.study.performed_at)
    day = timezone.localtime(study.performed_at).date() if study.performed_at else None
    if contradicts(identity.birth_date, day):
        raise PatientDoubtError("dates_contradict", variant="converted")
    return identity, study


def _corrected_study(asked: Question, correction: Correction) -> StudyFacts:
    """Return the corrected study; the time of day is kept if the date is unchanged."""
    day, at = correction.study_date, asked.study.performed_at
    if day is None:
        at = None
    elif at is None or timezone.localtime(at).date() != day:
        at = timezone.make_aware(datetime.combine(day, time()))
    study = replace(asked.study, performed_at=at, accession_number=correction.accession_number)
    named, corrected = asked.claimed, correction.identity
    if asked.kind == "dicom" or (named.patient_id, named.issuer) == (
        corrected.patient_id,
        corrected.issuer,
    ):
        return study
    # A JPEG's or PNG's study was named after the patient that it turned out not to be of.
    names = (study.study_instance_uid, corrected.patient_id, corrected.issuer)
    return replace(study, study_instance_uid=wrapping.make_uid("corrected study", *names))


def _readable(text: str) -> str:
    """Return a text, or nothing if characters were lost: it then equals no other, nor itself."""
    return "" if UNREADABLE in text else text


def _identity_of(patient: Patient) -> Identity:
    identity = recorded_identity(patient)
    return replace(identity, name=_readable(identity.name))


def _other_person(asked: Question) -> tuple[Identity, StudyFacts]:
    """Return a temporary patient, and a study of theirs if the file's own belongs to another."""
    uid = asked.study.study_instance_uid
    identity = temporary_identity(asked.facts, uid)
    born = identity.birth_date
    can_be = not contradicts(born, timezone.localdate())
    identity = replace(identity, name=_readable(identity.name), birth_date=born if can_be else None)
    taken = Study.objects.filter(study_instance_uid=uid).exclude(
        patient__patient_id=identity.patient_id, patient__issuer=identity.issuer
    )
    # A JPEG's or PNG's study was named after the patient that it turned out not to be of.
    if asked.kind != "dicom" or taken.exists():
        return identity, replace(
            asked.study, study_instance_uid=wrapping.make_uid("study of another person", uid)
        )
    return identity, asked.study


def _check_again(asked: Question, identity: Identity, study: StudyFacts) -> image_file.CheckedImage:
    """Return the checked image; a JPEG or PNG as a DICOM instance of the chosen patient.

    A DICOM file whose SOP Instance UID is taken becomes a separate image.
    """
    header = check.header_for(asked.upload.batch, asked.record, asked.upload.sha256)
    if header is not None:
        header = replace(
            header,
            patient_id=identity.patient_id,
            issuer_of_patient_id=identity.issuer,
            patient_name=identity.name,
            patient_birth_date=identity.birth_date,
            patient_sex=identity.sex,
            study_instance_uid=study.study_instance_uid,
            accession_number=study.accession_number,
            study_date=study.performed_at and timezone.localtime(study.performed_at).date(),
        )
    data, sha256 = asked.upload.data, asked.upload.sha256
    if asked.kind == "dicom" and store.has_instance(asked.facts.sop_instance_uid):
        return image_file.own_instance_apart(data, sha256)
    return image_file.check_apart(data, header, sha256)


def _lock_held(item: UploadItem) -> str:
    locked = UploadItem.objects.select_for_update().get(pk=item.pk)
    if locked.verdict != Verdict.HELD:
        raise NotHeldError
    return locked.held_key


@transaction.atomic
def _discard(item: UploadItem, by: User) -> UploadItem:
    held_key = _lock_held(item)
    item.verdict, item.held_key = Verdict.DISCARDED, ""
    item.reason_code, item.reason_params = "discarded", {}
    item.save(update_fields=["verdict", "held_key", "reason_code", "reason_params", "updated_at"])
    _record(item, HeldDecision.DISCARD, by)
    transaction.on_commit(lambda: trash.discard(held_key))
    return item


def _record(item: UploadItem, decision: HeldDecision, by: User) -> None:
    detail = {"decision": decision.value, "batch": str(item.batch_id)}
    study_id = item.radiograph.study_id if item.radiograph else None
    append(Event(Action.FILE_RESOLVED, "upload_item", item.pk, study_id, detail), by)
