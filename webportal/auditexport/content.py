"""The content of an audit entry, common to both kinds of messages."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from django.utils.translation import override

from webportal.audit.models import Action, AuditEntry
from webportal.records.models import Patient, Study

_UNFIT = re.compile("[^\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Records:
    """The present studies and patients of entries, each fetched with a query of its own."""

    def __init__(self, entries: Iterable[AuditEntry]) -> None:
        entries = list(entries)
        studies = {entry.study_id for entry in entries if entry.study_id is not None}
        found = Study.objects.filter(pk__in=studies).select_related("patient")
        self._studies: Mapping[UUID, Study] = {study.pk: study for study in found}
        patients = {entry.object_id for entry in entries if entry.object_type == "patient"}
        self._patients: Mapping[str, Patient] = {
            str(patient.pk): patient
            for patient in Patient.objects.filter(pk__in=filter(_is_uuid, patients))
        }

    def study_of(self, entry: AuditEntry) -> Study | None:
        """The study, if it still exists."""
        return self._studies.get(entry.study_id) if entry.study_id else None

    def patient_of(self, entry: AuditEntry) -> Patient | None:
        """The patient, if they still exist."""
        if entry.object_type == "patient" and entry.object_id in self._patients:
            return self._patients[entry.object_id]
        study = self.study_of(entry)
        return study.patient if study else None


def is_by_person(entry: AuditEntry) -> bool:
    """Whether a person did it, rather than the portal by itself."""
    return entry.actor_id is not None or entry.origin is not None


def text_of(text: str) -> str:
    """A text that FHIR accepts: its strings are never empty."""
    return fit(text) or "-"


def as_json(entry: AuditEntry, *, with_details: bool) -> dict[str, Any]:
    """Everything the MAC covers, and the MAC; of an erased entry, only the fact of its erasure."""
    return {
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_id": str(entry.actor_id) if entry.actor_id else None,
        "actor": entry.actor,
        "action": entry.action,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "study_id": str(entry.study_id) if entry.study_id else None,
        **({"detail": entry.detail} if with_details else {"is_detail_left_out": True}),
        "origin": entry.origin,
        "previous_mac": entry.previous_mac,
        "mac": entry.mac,
    }


def label_of(action: str) -> str:
    """An action in English; its code if this release does not know it."""
    if action not in Action.values:
        return action
    with override("en"):
        return str(Action(action).label)


def fit(text: str) -> str:
    """A text without characters that XML, FHIR or syslog cannot hold; the detail keeps them."""
    return _UNFIT.sub("\ufffd", text)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
