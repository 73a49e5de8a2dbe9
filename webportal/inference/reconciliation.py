"""Model versions, results and what the worklist shows of them, compared with the audit trail."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Prefetch

from webportal.audit.findings import Finding
from webportal.audit.models import Action, AuditEntry
from webportal.audit.reconciliation import (
    BATCH,
    UNREADABLE,
    Check,
    Entries,
    differing_fields,
    snapshot,
)
from webportal.inference.models import JobState, ModelVersion, Prediction
from webportal.inference.purpose.rule import KnownFacts, judge
from webportal.inference.summary import summaries_of
from webportal.records.models import Study

# For each image, the result with the last entry; it must be the current one.
_NOT_CURRENT = """
SELECT job_id FROM (
    SELECT DISTINCT ON (prediction.radiograph_id) prediction.job_id, prediction.is_current
    FROM inference_prediction AS prediction
    JOIN audit_auditentry AS entry
        ON entry.object_id = prediction.job_id::text AND entry.action = 'job.finished'
    ORDER BY prediction.radiograph_id, entry.sequence DESC
) AS latest WHERE NOT is_current
"""


def _differences_of_model(model: ModelVersion, entries: Entries) -> list[str]:
    fields = differing_fields(
        entries[0].detail, {"version": model.version, "package_sha256": model.package_sha256}
    )
    activated = AuditEntry.objects.filter(action=Action.MODEL_ACTIVATED).order_by("-sequence")
    last = activated.values_list("object_id", flat=True).first()
    return fields if model.is_active == (last == str(model.pk)) else [*fields, "is_active"]


def _results() -> Any:
    versions = ModelVersion.objects.only("version", "population")
    return Prediction.objects.prefetch_related(
        Prefetch("model_version", versions), "job", "radiograph__study__patient"
    )


def _differences_of_result(result: Prediction, entries: Entries) -> Iterator[str]:
    finished = entries[0]
    # Empty values are not recorded.
    recorded = {
        "probability": None,
        "bacterial_probability": None,
        "correction": "",
        "assessed_as": "",
    }
    yield from differing_fields(
        recorded | finished.detail,
        {
            "category": result.category,
            "probability": result.probability,
            "bacterial_probability": result.bacterial_probability,
            "correction": result.correction,
            "assessed_as": result.assessed_as,
            "reason_code": result.reason_code,
            "heatmap_sha256": hashlib.sha256(result.heatmap).hexdigest(),
            "model": result.model_version.version,
            "worker": result.worker,
        },
    )
    radiograph, job = result.radiograph, result.job
    if job.radiograph_id != radiograph.pk or finished.study_id != radiograph.study_id:
        yield "radiograph"
    if job.study_id != radiograph.study_id or job.state not in (JobState.DONE, JobState.REFUSED):
        yield "job"
    judgement = judge(
        result.model_version.population, KnownFacts.of(radiograph), result.assessed_as
    )
    if (judgement.purpose, judgement.stored) != (result.purpose, result.purpose_reasons):
        yield "purpose"


class _Counting:
    """The latest result of each image is the current one, and the worklist shows what counts."""

    def rows(self) -> Any:
        return Study.objects.all()

    def run(self) -> Iterator[tuple[int, list[Finding]]]:
        with snapshot(), connection.cursor() as cursor:
            cursor.execute(_NOT_CURRENT)
            jobs = [job_id for (job_id,) in cursor.fetchall()]
        values = {"fields": "is_current"}
        yield (
            0,
            [
                Finding("row_differs", object_type="job", object_id=str(job_id), values=values)
                for job_id in jobs
            ],
        )
        last = uuid.UUID(int=0)
        while True:
            with snapshot():
                batch = list(Study.objects.order_by("pk").filter(pk__gt=last)[:BATCH])
                if not batch:
                    return
                last = batch[-1].pk
                found = list(_differences_of_summaries(batch))
            yield len(batch), found


def _differences_of_summaries(studies: list[Study]) -> Iterator[Finding]:
    try:
        summaries = {each["id"]: each for each in summaries_of([study.pk for study in studies])}
    except UNREADABLE:
        # An impossible result: find out of which study.
        if len(studies) > 1:
            for study in studies:
                yield from _differences_of_summaries([study])
        else:
            yield _summary_differs(studies[0], "unreadable")
        return
    for study in studies:
        summary = summaries.get(str(study.pk), _NO_RESULT)
        names = [name for name in _NO_RESULT if getattr(study, name) != summary[name]]
        if names:
            yield _summary_differs(study, ", ".join(names))


def _summary_differs(study: Study, fields: str) -> Finding:
    key, values = str(study.pk), {"fields": fields}
    return Finding("summary_differs", object_type="study", object_id=key, values=values)


# Values of a study without anything to show yet.
_NO_RESULT: dict[str, Any] = {
    name: getattr(Study(), name)
    for name in (
        "concern",
        "category",
        "probability",
        "purpose",
        "purpose_reasons",
        "images_differ",
        "images_withheld",
    )
}

CHECKS = [
    Check(
        kind="model",
        rows=ModelVersion.objects.all,
        made=(Action.MODEL_REGISTERED,),
        differences=_differences_of_model,
    ),
    Check(
        kind="job",
        rows=_results,
        made=(Action.JOB_FINISHED,),
        differences=_differences_of_result,
        key="job_id",
    ),
    _Counting(),
]
