"""Signed reads, addenda and views of images compared with the audit trail."""

import hashlib
from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from webportal.audit.findings import MOST, Finding
from webportal.audit.models import Action, AuditEntry
from webportal.audit.reconciliation import MOST_APART, Check, Entries, differing_fields
from webportal.records.choices import ReadingState
from webportal.records.identity import version_of
from webportal.records.models import Study
from webportal.records.services import PRIOR_TO_BE_READ
from webportal.review.models import Addendum, ImageView, Read, ReadState


def _signed() -> QuerySet[Read]:
    return Read.objects.exclude(state=ReadState.DRAFT).prefetch_related("prediction__model_version")


def _differences_of_read(read: Read, entries: Entries) -> Iterator[str]:
    signed = entries[0]
    result = read.prediction
    yield from differing_fields(
        {"prediction": "", "model": "", "amends": "", "revision": 0} | signed.detail,
        {
            "kind": read.kind,
            "decision": read.decision,
            "pneumonia": read.pneumonia,
            "zones": read.zones,
            "other_findings": read.other_findings,
            "marks": read.marks,
            "measurements": read.measurements,
            "patient": read.identity.get("patient", ""),
            "identity_sha256": version_of(read.identity),
            "text_sha256": _sha256(read.comment),
            "prediction": str(read.prediction_id or ""),
            "model": result.model_version.version if result is not None else "",
            "amends": str(read.amends_id or ""),
            "revision": read.revision,
            "reason_sha256": _sha256(read.reason),
        },
    )
    yield from _origin(signed, read.reader_id, read.study_id, read.signed_at)
    is_taken_back = any(entry.action == Action.SIGNATURE_TAKEN_BACK for entry in entries)
    if is_taken_back != (read.state == ReadState.TAKEN_BACK):
        yield "state"


def _differences_of_addendum(addendum: Addendum, entries: Entries) -> Iterator[str]:
    signed = entries[0]
    yield from differing_fields(
        signed.detail,
        {
            "read": str(addendum.read_id),
            "reason_sha256": _sha256(addendum.reason),
            "text_sha256": _sha256(addendum.text),
        },
    )
    yield from _origin(signed, addendum.author_id, addendum.read.study_id, addendum.signed_at)


def _origin(entry: AuditEntry, person: Any, study: Any, at: Any) -> Iterator[str]:
    if entry.actor_id != person:
        yield "reader"
    if entry.study_id != study:
        yield "study"
    if at is None or abs(entry.at - at) > MOST_APART:
        yield "signed_at"


def _differences_of_view(view: ImageView, entries: Entries) -> list[str]:
    is_recorded = any(entry.actor_id == view.reader_id for entry in entries)
    return [] if is_recorded else ["viewed"]


class _ReadingStates:
    """No study leaves the worklist without a signed read, or is a prior that came otherwise."""

    def rows(self) -> QuerySet[Study]:
        return Study.objects.none()

    def run(self) -> Iterator[tuple[int, list[Finding]]]:
        done = Study.objects.exclude(reading_state__in=[ReadingState.UNREAD, ReadingState.PRIOR])
        signed = Read.objects.filter(study=OuterRef("pk"), state=ReadState.SIGNED)
        priors = Study.objects.filter(reading_state=ReadingState.PRIOR)
        of_study = AuditEntry.objects.filter(study_id=OuterRef("pk"))
        created_as_prior = of_study.filter(action=Action.STUDY_CREATED, detail__prior=True)
        to_be_read = of_study.filter(action=Action.STUDY_CHANGED, detail__reason=PRIOR_TO_BE_READ)
        wrong = [
            done.filter(~Exists(signed)),
            priors.filter(~Exists(created_as_prior) | Exists(to_be_read)),
        ]
        keys = [key for each in wrong for key in each.values_list("pk", flat=True)[:MOST]]
        values = {"fields": "reading_state"}
        yield (
            0,
            [
                Finding("row_differs", object_type="study", object_id=str(key), values=values)
                for key in keys
            ],
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CHECKS = [
    Check(
        kind="read",
        rows=_signed,
        made=(Action.READ_SIGNED, Action.READ_AMENDED),
        further=(Action.SIGNATURE_TAKEN_BACK,),
        differences=_differences_of_read,
    ),
    Check(
        kind="addendum",
        rows=lambda: Addendum.objects.prefetch_related("read"),
        made=(Action.ADDENDUM_SIGNED,),
        differences=_differences_of_addendum,
    ),
    Check(
        kind="radiograph",
        rows=ImageView.objects.all,
        made=(Action.IMAGE_VIEWED,),
        differences=_differences_of_view,
        key="radiograph_id",
        is_kept=False,
    ),
    _ReadingStates(),
]
