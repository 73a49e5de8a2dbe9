"""Results of a batch's files, as far as the requesting user may see them."""

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import (
    Case,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import OrderBy
from django.http import HttpRequest

from webportal.access.shown import show
from webportal.accounts.models import Role, User
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.purpose.expressions import shown_category, shown_probability
from webportal.inference.rounding import Thresholds
from webportal.inference.summary import ENDED_WITHOUT_RESULT
from webportal.intake.models import UploadBatch, UploadItem
from webportal.reasons import Reason
from webportal.records.choices import Category, Concern, ReadingState
from webportal.records.models import Study
from webportal.records.visibility import scope_of
from webportal.review.models import Read
from webportal.review.reads.blinding import withheld_results
from webportal.review.reads.corrections import has_corrected_read
from webportal.review.reads.headline import Finding, findings_of
from webportal.review.reads.standing import may_be_taken_back

#: Analysis state of an image that the model has processed, whatever the result.
ANALYSED = "analysed"
CHUNK = 2000
_LAST = max(Concern) + 1
_NO_TEXT = (
    "id",
    "study_id",
    "performed_at",
    "priority",
    "probability",
    "identity_corrected",
    "result_withheld",
)


@dataclass(frozen=True)
class FileRow:
    """One file. `category` is "" and `probability` None where there is no result, or none to see.

    Both are the shown values; `thresholds` are the model version's, `purpose` and its reasons the
    result's.

    `analysis` is ANALYSED or the state of its newest job, `reading_state` that of its study; both
    "" for a file that was not accepted. `identity_corrected`: a signed read that the person may see
    was signed under another identity than the patient has now. `result_withheld`: the person does
    not see the model's result before their own read. `finding` is the study's signed finding, None
    if the person may not see it.
    """

    id: uuid.UUID
    file_name: str
    verdict: str
    reason_code: str
    reason_params: dict[str, Any]
    patient_name: str
    patient_id: str
    study_id: uuid.UUID | None
    accession_number: str
    performed_at: datetime | None
    priority: int | None
    analysis: str
    category: str
    probability: float | None
    purpose: str
    purpose_reasons: list[Any]
    model_version: str
    thresholds: Thresholds
    reading_state: str
    identity_corrected: bool
    result_withheld: bool
    finding: Finding | None = None

    @property
    def reason(self) -> Reason:
        """Why the file was refused or held."""
        return Reason(self.reason_code, self.reason_params)


# Sort keys of the table; ties are broken by file name.
SORTS = {
    "file": ["file_name"],
    "verdict": ["verdict"],
    "patient": ["patient_name", "patient_id"],
    "date": ["performed_at"],
    "priority": ["priority"],
    "result": ["concern", "-probability"],
    "read": ["reading_state"],
}


def show_rows(request: HttpRequest, rows: Iterable[FileRow]) -> None:
    """Report to the access log whose files a response shows."""
    rows = list(rows)
    show(
        request,
        study_ids=[row.study_id for row in rows if row.study_id],
        file_ids=[row.id for row in rows if row.study_id is None],
    )


def shows_results(person: User) -> bool:
    """Whether this person may see the model's results at all."""
    return person.has_role(Role.RADIOLOGIST)


def items_of(
    batch: UploadBatch, person: User, sort: str = "", *, is_open: bool = False
) -> QuerySet[UploadItem]:
    """Return the files of a batch with the fields of `FileRow`, by a key of SORTS; `-` descends.

    A result hidden from the person counts as none, also for sorting. `is_open` is that of
    `withheld_results`.
    """
    predictions = Prediction.objects.visible_to(person).filter(
        radiograph=OuterRef("radiograph"), is_current=True
    )
    if not shows_results(person):
        predictions = predictions.none()
    withheld = Study.objects.visible_to(person).filter(withheld_results(person, is_open=is_open))
    predictions = predictions.exclude(radiograph__study__in=withheld)
    jobs = (
        Job.objects.visible_to(person)
        .filter(radiograph=OuterRef("radiograph"))
        .order_by("-queued_at")
    )
    ranks = [When(category=each.value, then=Value(Concern.of(each))) for each in Category]
    # A failed analysis needs a person, as does an image the model cannot assess.
    ranks.append(When(analysis__in=ENDED_WITHOUT_RESULT, then=Value(Concern.NOT_ASSESSABLE)))
    study = "radiograph__study"
    may_see = scope_of(person).of_studies(study)
    items = batch.items.annotate(
        **{
            name: _if_visible(f"{study}{path}", may_see)
            for name, path in {
                "patient_name": "__patient__name",
                "patient_id": "__patient__patient_id",
                "study_id": "_id",
                "accession_number": "__accession_number",
                "performed_at": "__performed_at",
                "priority": "__priority",
                "reading_state": "__reading_state",
            }.items()
        },
        identity_corrected=has_corrected_read(person, f"{study}_id"),
        result_withheld=Exists(withheld.filter(pk=OuterRef(f"{study}_id"))),
        analysis=Subquery(jobs.values("state")[:1]),
        category=Subquery(predictions.values(shown=shown_category())[:1]),
        probability=Subquery(predictions.values(shown=shown_probability())[:1]),
        purpose=Subquery(predictions.values("purpose")[:1]),
        purpose_reasons=Subquery(predictions.values("purpose_reasons")[:1]),
        model_version=Subquery(predictions.values("model_version__version")[:1]),
        thresholds=Subquery(predictions.values("model_version__thresholds")[:1]),
    ).annotate(concern=Case(*ranks, default=Value(_LAST), output_field=IntegerField()))
    return items.order_by(*_order(sort), "file_name", "pk")


def _if_visible(path: str, may_see: Q) -> F | Case:
    """A value of the study; nothing if the user may not see it, as of a file stored before."""
    return Case(When(may_see, then=F(path))) if may_see else F(path)


def _order(sort: str) -> list[OrderBy]:
    backwards = sort.startswith("-")
    order: list[OrderBy] = []
    for name in SORTS.get(sort.removeprefix("-"), []):
        downwards = name.startswith("-") != backwards
        field = F(name.removeprefix("-"))
        # Files that were not accepted have none of these, and sort last either way.
        order.append(field.desc(nulls_last=True) if downwards else field.asc(nulls_last=True))
    return order


def rows(
    items: QuerySet[UploadItem], person: User, *, only_final: bool = False
) -> Iterator[FileRow]:
    """Return each file of `items_of` as a row for the same person.

    With `only_final`, findings that can still be taken back are left out and their studies count as
    unread: in a signed study without a finding, the model's result could be mistaken for it.
    """
    names = [field.name for field in fields(FileRow) if field.name != "finding"]
    for chunk in _in_chunks(items.values(*names).iterator(chunk_size=CHUNK), CHUNK):
        study_ids = {values["study_id"] for values in chunk if values["study_id"]}
        findings = findings_of(study_ids, person, only_final=only_final)
        not_final = _with_read_not_final(study_ids) if only_final else set()
        for values in chunk:
            if values["study_id"] in not_final:
                values["reading_state"] = ReadingState.UNREAD
            yield _row(values, names, findings)


def _with_read_not_final(study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    reads = Read.objects.filter(may_be_taken_back(), study__in=study_ids)
    return set(reads.values_list("study_id", flat=True))


def _in_chunks(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        yield chunk


def _row(values: dict[str, Any], names: list[str], findings: dict[uuid.UUID, Finding]) -> FileRow:
    known: dict[str, Any] = {
        name: values[name] if name in _NO_TEXT else values[name] or "" for name in names
    }
    known["purpose_reasons"] = known["purpose_reasons"] or []
    known["thresholds"] = known["thresholds"] or {}
    known["reason_params"] = known["reason_params"] or {}
    # 'Not assessable' is itself a result, which not everybody may see.
    if known["analysis"] in (JobState.DONE, JobState.REFUSED):
        known["analysis"] = ANALYSED
    return FileRow(**known, finding=findings.get(values["study_id"]))
