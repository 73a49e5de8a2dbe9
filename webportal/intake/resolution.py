"""Deciding whose image a held file is."""

import logging
from dataclasses import dataclass, replace

from django.core.files.storage import default_storage
from django.db import DataError, IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from ml.images import ImageFacts
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake import checks, dicom, incoming, matching, store, verdicts
from webportal.intake.cases import CaseRecord
from webportal.intake.errors import NotHeldError, internal_error
from webportal.intake.matching import Identity, StudyFacts
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.verdicts import Upload
from webportal.records.identifiers import UNREADABLE
from webportal.records.models import Patient, Study

logger = logging.getLogger(__name__)


class Decision(models.TextChoices):
    """What a person decides of a held file."""

    SAME = "same", _("It is the recorded patient")
    OTHER = "other", _("It is another person")
    DISCARD = "discard", _("Discard the file")


@dataclass(frozen=True)
class Question:
    """A held file beside the record that it contradicts.

    `claimed`: the patient that the file, or the case record sent with it, names; `recorded`: the
    patient that it would belong to by its identifiers.
    """

    upload: Upload
    record: CaseRecord | None
    kind: str
    facts: ImageFacts
    claimed: Identity
    study: StudyFacts
    recorded: Patient

    @property
    def differences(self) -> list[str]:
        """What the two disagree on."""
        return matching.differences(self.recorded, self.claimed)


def question(item: UploadItem, by: User) -> Question:
    """Return what a person needs to know to decide. Raises NotHeldError."""
    item.refresh_from_db()
    if item.verdict != Verdict.HELD:
        raise NotHeldError
    try:
        data = store.read(item.held_key)
    except FileNotFoundError:  # somebody else's decision was carried out since the item was read
        raise NotHeldError from None
    upload = Upload.of(item.batch, item.file_name, data, by)
    record = incoming.record_for(item.batch, item.file_name)
    header = incoming.header_for(item.batch, record, upload.sha256)
    checked = checks.check_apart(upload.data, header, upload.sha256)
    claimed = incoming.identity(item.batch, record, checked.facts)
    study = incoming.study(item.batch, record, checked.facts)
    return Question(
        upload, record, checked.kind, checked.facts, claimed, study, _recorded(claimed, study)
    )


def _recorded(claimed: Identity, study: StudyFacts) -> Patient:
    patient = matching.existing_patient(claimed)
    existing = Study.objects.filter(study_instance_uid=study.study_instance_uid).first()
    if existing is not None and (patient is None or not matching.differences(patient, claimed)):
        return existing.patient
    if patient is None:
        raise NotHeldError
    return patient


def resolve(item: UploadItem, decision: Decision, by: User) -> UploadItem:
    """Carry a decision out and return the item with its new verdict.

    Raises NotHeldError where the item was decided on already, PatientDoubtError or RefusedError
    where the decision cannot be carried out; the file is still held then.
    """
    if decision == Decision.DISCARD:
        return _discard(item, by)
    asked = question(item, by)
    if decision == Decision.SAME:
        identity, study = _identity_of(asked.recorded), asked.study
    else:
        identity, study = _other_person(asked)
    checked = _check_again(asked, identity, study)
    try:
        return _carry_out(item, asked, identity, study, checked, decision, by)
    except (DataError, IntegrityError) as error:
        # Only the kind of error: its text may quote the file, and so a patient.
        logger.error("Deciding on a held file failed with %s", type(error).__name__)
        raise internal_error() from None


def _carry_out(
    item: UploadItem,
    asked: Question,
    identity: Identity,
    study: StudyFacts,
    checked: checks.CheckedImage,
    decision: Decision,
    by: User,
) -> UploadItem:
    with transaction.atomic():
        verdicts.lock(asked.upload.sha256)
        held_key = _lock_held(item)
        resolved = verdicts.duplicate(asked.upload, None)
        if resolved is None:
            match = matching.match(identity, study, by)
            with store.writing() as put:
                resolved = verdicts.store_accepted(asked.upload, match, checked, put)
        _note(resolved, decision, by)
        transaction.on_commit(lambda: default_storage.delete(held_key))
    return resolved


def alike(item: UploadItem, by: User) -> list[UploadItem]:
    """Return the other held files of the batch that name the same person."""
    claimed = question(item, by).claimed
    others = item.batch.items.filter(verdict=Verdict.HELD).exclude(pk=item.pk)
    return [other for other in others if question(other, by).claimed == claimed]


def _identity_of(patient: Patient) -> Identity:
    # A name with lost letters is like no other, not even itself.
    name = "" if UNREADABLE in patient.name else patient.name
    return Identity(
        patient.patient_id,
        patient.issuer,
        name,
        patient.birth_date,
        patient.sex,
        patient.is_temporary,
    )


def _other_person(asked: Question) -> tuple[Identity, StudyFacts]:
    """Return a temporary patient, and a study of theirs where the file's own is another's."""
    uid = asked.study.study_instance_uid
    identity = incoming.temporary_identity(asked.facts, uid)
    taken = Study.objects.filter(study_instance_uid=uid).exclude(
        patient__patient_id=identity.patient_id, patient__issuer=identity.issuer
    )
    # A JPEG's or PNG's study was named after the patient that it turned out not to be of.
    if asked.kind != "dicom" or taken.exists():
        return identity, replace(
            asked.study, study_instance_uid=dicom.make_uid("study of another person", uid)
        )
    return identity, asked.study


def _check_again(asked: Question, identity: Identity, study: StudyFacts) -> checks.CheckedImage:
    """Return the checked image; a JPEG or PNG as a DICOM instance of the patient decided on."""
    header = incoming.header_for(asked.upload.batch, asked.record, asked.upload.sha256)
    if header is not None:
        header = replace(
            header,
            patient_id=identity.patient_id,
            issuer_of_patient_id=identity.issuer,
            patient_name=identity.name,
            patient_birth_date=identity.birth_date,
            patient_sex=identity.sex,
            study_instance_uid=study.study_instance_uid,
        )
    return checks.check_apart(asked.upload.data, header, asked.upload.sha256)


def _lock_held(item: UploadItem) -> str:
    locked = UploadItem.objects.select_for_update().get(pk=item.pk)
    if locked.verdict != Verdict.HELD:
        raise NotHeldError
    return locked.held_key


@transaction.atomic
def _discard(item: UploadItem, by: User) -> UploadItem:
    held_key = _lock_held(item)
    item.verdict, item.held_key = Verdict.DISCARDED, ""
    item.reason_code = "discarded"
    item.reason = gettext_noop("A person looked at it and discarded it.")
    item.save(update_fields=["verdict", "held_key", "reason_code", "reason", "updated_at"])
    _note(item, Decision.DISCARD, by)
    transaction.on_commit(lambda: default_storage.delete(held_key))
    return item


def _note(item: UploadItem, decision: Decision, by: User) -> None:
    detail = {"decision": decision.value, "batch": str(item.batch_id)}
    study_id = item.radiograph.study_id if item.radiograph else None
    append(Event(Action.FILE_RESOLVED, "upload_item", item.pk, study_id, detail), by)
