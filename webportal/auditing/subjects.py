"""The subject of an access log query: a patient under every identity they have had.

A moved study, and a temporary patient that no longer exists, are found by their former identity as
well as by the current one: the trail keeps both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from webportal.access.models import AccessOutcome
from webportal.audit.models import Action, AuditEntry
from webportal.intake.models import UploadItem
from webportal.records.identity import IDENTITY_FIELDS, format_identity
from webportal.records.models import Patient, Radiograph, Study
from webportal.records.searches import find_patients_for_auditors

MOST_FOUND = 50
_ABOUT_IDENTITIES = (Action.PATIENT_CHANGED, Action.STUDY_CHANGED, Action.IDENTITY_CORRECTED)


@dataclass(frozen=True)
class Subject:
    """A patient, with everything by which entries may identify them.

    `former_studies` were the patient's until they were moved away. `former_patients` are temporary
    ones that had one of the patient's present studies until it was moved here. A person who had
    such a study by mistake is not among them: their record is not this patient's.
    """

    patient: Patient
    studies: list[UUID]
    former_studies: list[tuple[UUID, datetime]]
    former_patients: list[tuple[UUID, datetime]]
    former_identities: list[str]

    def entries(self) -> Q:
        """The condition for entries that show the patient, or refused to."""
        found = Q(patient_ids__contains=[self.patient.pk])
        if self.studies:
            found |= Q(study_ids__overlap=self.studies)
        files = UploadItem.objects.filter(radiograph__study__in=self.studies)
        if file_ids := list(files.values_list("pk", flat=True)):
            # As in the index's expression.
            found |= Q(~Q(file_ids=[]), file_ids__overlap=file_ids)
        for study, until in self.former_studies:
            found |= Q(study_ids__contains=[study], at__lt=until)
        for patient, until in self.former_patients:
            found |= Q(patient_ids__contains=[patient], at__lt=until)
        images = Radiograph.objects.filter(study__in=self.studies).values_list("pk", flat=True)
        targets = [self.patient.pk, *self.studies, *images]
        return found | Q(~Q(outcome=AccessOutcome.DONE), target__in=targets)


def subject_of(patient: Patient) -> Subject:
    """The patient with all current and former studies and identities."""
    studies = list(Study.objects.filter(patient=patient).values_list("pk", flat=True))
    own = str(patient.pk)
    here = _not_of_other_patients(
        _changes().filter(study_id__in=studies, detail__before__has_key="patient")
    )
    away = _changes().filter(detail__before__patient=own).exclude(study_id__in=studies)
    renamed = _changes().filter(object_type="patient", object_id=own)
    former_patients = [
        (UUID(entry.detail["before"]["patient"]), entry.at)
        for entry in here
        if entry.detail["before"]["patient"] != own
    ]
    return Subject(
        patient=patient,
        studies=studies,
        former_studies=[(entry.study_id, entry.at) for entry in away if entry.study_id],
        former_patients=former_patients,
        former_identities=_in_words([*here, *renamed]),
    )


def _not_of_other_patients(changes: Iterable[AuditEntry]) -> list[AuditEntry]:
    """The changes without moves from a patient who is still recorded as another person."""
    moves = list(changes)
    ids = {entry.detail["before"]["patient"] for entry in moves}
    people = Patient.objects.filter(pk__in=ids, is_temporary=False).values_list("pk", flat=True)
    others = {str(pk) for pk in people}
    return [entry for entry in moves if entry.detail["before"]["patient"] not in others]


def find_subjects(text: str) -> list[Patient]:
    """The patients matching the terms by a current or former identity or accession number."""
    if not text.strip():
        return []
    found = list(find_patients_for_auditors(text).order_by("name", "patient_id", "pk")[:MOST_FOUND])
    changes = _changes()
    for word in text.replace(",", " ").split():
        changes = changes.filter(
            Q(detail__before__name__icontains=word) | Q(detail__before__patient_id__icontains=word)
        )
    ids: set[Any] = set()
    for entry in changes[:MOST_FOUND]:
        study = Study.objects.filter(pk=entry.study_id).first() if entry.study_id else None
        ids.add(str(study.patient_id) if study else entry.object_id)
    former = Patient.objects.filter(pk__in=ids).exclude(pk__in=[each.pk for each in found])
    return (found + list(former.order_by("name", "patient_id", "pk")))[:MOST_FOUND]


def _changes() -> QuerySet[AuditEntry]:
    """The entries that keep a former identity, the newest first."""
    return AuditEntry.objects.filter(
        action__in=_ABOUT_IDENTITIES, detail__has_key="before"
    ).order_by("-sequence")


def _in_words(changes: Iterable[AuditEntry]) -> list[str]:
    """The former identities without duplicates; if one value was changed, only that value."""
    words = []
    for entry in changes:
        before = dict.fromkeys(IDENTITY_FIELDS, "")
        words.append(format_identity(before | entry.detail["before"]))
    return [each for each in dict.fromkeys(words) if each]
