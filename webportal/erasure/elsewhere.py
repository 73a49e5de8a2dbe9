"""Mentions of the patient in data that is kept: uploads with other files, searches, logs."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import F, Func, Q, QuerySet, TextField
from django.utils import timezone

from webportal.access.models import AccessEntry
from webportal.accounts.models import Session
from webportal.audit.models import Action, AuditEntry
from webportal.erasure.traces import Traces
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Patient
from webportal.records.searches import SESSION_KEY, normalised_words

#: Audit entries that contain search terms, or whose orders were before.
_LOOKED_FOR = (
    Action.ORDER_CHANGED,
    Action.AUDIT_VIEWED,
    Action.AUDIT_EXPORTED,
    Action.ACCESS_VIEWED,
    Action.ACCESS_EXPORTED,
)


@dataclass
class Elsewhere:
    """Where else the patient is named.

    Args:
        batches: name and case records that each upload keeps, without the patient's.
        sessions: the searches that each session keeps.
        accesses: access log entries whose search terms are cleared.
        entries: audit entries about such searches.
    """

    batches: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    accesses: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Counts by kind; audit entries are counted with those of the plan."""
        return {
            "names": len(self.batches),
            "searches": len(self.sessions),
            "accesses": len(self.accesses),
        }


def find(traces: Traces, patient: Patient, batches: set[UUID], items: Iterable[UUID]) -> Elsewhere:
    """Find all mentions. `batches` are kept and had files of the patient; `items` are erased."""
    return Elsewhere(
        batches=dict(_batches(traces, patient, batches, items)),
        sessions=dict(_sessions(traces)),
        accesses=_matching(AccessEntry.objects.exclude(criteria={}), "criteria", traces),
        entries=_matching(AuditEntry.objects.filter(action__in=_LOOKED_FOR), "detail", traces),
    )


def clear(found: Elsewhere) -> None:
    """Remove the mentions from uploads and sessions; the caller clears the logs."""
    for batch, values in found.batches.items():
        UploadBatch.objects.filter(pk=batch).update(**values)
    for session in Session.objects.select_for_update().filter(pk__in=found.sessions):
        data = session.get_decoded() | {SESSION_KEY: found.sessions[session.session_key]}
        # Saving through the session store would extend the session.
        session.session_data = Session.get_session_store_class()().encode(data)
        session.save(update_fields=["session_data"])


def _batches(
    traces: Traces, patient: Patient, batches: set[UUID], items: Iterable[UUID]
) -> Iterable[tuple[UUID, dict[str, Any]]]:
    names = dict(UploadItem.objects.filter(pk__in=items).values_list("file_name", "batch"))
    for batch in UploadBatch.objects.exclude(name="", case_records={}).iterator():
        records = {
            name: record
            for name, record in batch.case_records.items()
            if not _is_of(record, name, patient, traces) and names.get(name) != batch.pk
        }
        is_named = traces.are_in if batch.pk in batches else traces.are_surely_in
        name = "" if is_named(batch.name) else batch.name
        if (name, records) != (batch.name, batch.case_records):
            yield batch.pk, {"name": name, "case_records": records}


def _is_of(record: Any, file_name: str, patient: Patient, traces: Traces) -> bool:
    if isinstance(record, dict) and record.get("patient_id"):
        own = (patient.patient_id, patient.issuer)
        return (record["patient_id"], record.get("issuer", "")) == own
    return traces.are_surely_in(f"{file_name} {json.dumps(record, ensure_ascii=False)}")


def _sessions(traces: Traces) -> Iterable[tuple[str, dict[str, str]]]:
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        kept: dict[str, str] = session.get_decoded().get(SESSION_KEY, {})
        left = {key: text for key, text in kept.items() if not traces.are_in(text)}
        if left != kept:
            yield session.session_key, left


def _matching(rows: "QuerySet[Any]", name: str, traces: Traces) -> list[int]:
    """Primary keys of rows whose JSON field `name` mentions the patient."""
    pieces = normalised_words(" ".join({*traces.names, *traces.identifiers}))
    may = Q(pk=None)
    for piece in pieces:
        may |= Q(words__contains=piece)
    as_text = Func(
        F(name), template="search_words(%(expressions)s::text)", output_field=TextField()
    )
    found = rows.annotate(words=as_text).filter(may).values_list("pk", name)
    return sorted(key for key, value in found.iterator() if any(map(traces.are_in, _texts(value))))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
