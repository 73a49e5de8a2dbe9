"""Invariants that must hold at the end, checked on database and storage alone."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Count, Q

from webportal.audit import reconciliation, verification
from webportal.inference import inputs
from webportal.inference.models import Job, JobState, Prediction
from webportal.records.models import FileFault, Radiograph
from webportal.storage.trash import FOLDER as TRASH
from webportal.upkeep import database_mark
from webportal.upkeep.slices import SLICES, named_files
from webportal.upkeep.unreferenced import remove_unreferenced

CLOSED_WITH_RESULT = (JobState.DONE, JobState.REFUSED)


def violations(accepted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the violations; `accepted` are the items acknowledged to clients, by SHA-256."""
    return [
        *_lost(accepted),
        *_doubled(),
        *_jobs(),
        *_results(),
        *_files(),
        *_trail(),
        *_unreferenced(),
    ]


def _lost(accepted: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    stored = {r.original_sha256: r for r in Radiograph.objects.all()}
    for sha256, item in accepted.items():
        if item["verdict"] not in ("accepted", "duplicate"):
            continue
        radiograph = stored.get(sha256)
        if radiograph is None:
            yield f"LOST: {sha256} was answered with {item['verdict']} and is in no record"
        elif str(radiograph.pk) != item["radiograph"]:
            yield f"{sha256} was confirmed as {item['radiograph']} but is {radiograph.pk}"


def _doubled() -> Iterator[str]:
    counted = Radiograph.objects.values("original_sha256").annotate(count=Count("pk"))
    for row in counted.filter(count__gt=1):
        yield f"DOUBLED: {row['original_sha256']} is stored {row['count']} times"


def _jobs() -> Iterator[str]:
    for state, count in Counter(Job.objects.values_list("state", flat=True)).items():
        if state in (JobState.QUEUED, JobState.RUNNING):
            yield f"{count} jobs are still {state}"
    without = Job.objects.filter(state=JobState.QUARANTINED, reason_code="").count()
    if without:
        yield f"{without} jobs are in quarantine without a reason"
    jobs = Radiograph.objects.annotate(count=Count("jobs"))
    for radiograph in jobs.exclude(count=1):
        yield f"Radiograph {radiograph.pk} has {radiograph.count} jobs"
    # All test files are valid, so none may end up in quarantine.
    for job in Job.objects.filter(state=JobState.QUARANTINED):
        yield f"Job {job.pk} of a good file is in quarantine: {job.reason_code}"


def _results() -> Iterator[str]:
    results = Radiograph.objects.annotate(
        all_results=Count("predictions"),
        current=Count("predictions", filter=Q(predictions__is_current=True)),
    )
    for radiograph in results.exclude(all_results=1, current=1):
        yield (
            f"Radiograph {radiograph.pk} has {radiograph.all_results} results,"
            f" {radiograph.current} of them current"
        )
    closed = Job.objects.filter(state__in=CLOSED_WITH_RESULT)
    for job in closed.filter(prediction=None):
        yield f"Job {job.pk} is {job.state} without a result"
    odd = Prediction.objects.exclude(job__state__in=CLOSED_WITH_RESULT).count()
    if odd:
        yield f"{odd} results belong to jobs that are not closed"


def _files() -> Iterator[str]:
    for key, sha256 in set(named_files()):
        try:
            with default_storage.open(key) as file:
                found = hashlib.sha256(file.read()).hexdigest()
        except OSError as error:
            yield f"LOST: {key} cannot be read ({error.strerror})"
            continue
        if found != sha256:
            yield f"{key} has other content than recorded"
    for fault in FileFault.objects.filter(repaired_at=None):
        yield f"{fault.key} is noted as {fault.kind}"


def _trail() -> Iterator[str]:
    verdict = verification.verify()
    for finding in verdict.findings:
        yield f"The trail has a finding: {finding}"
    for finding in reconciliation.reconcile():
        yield f"The trail does not agree with the records: {finding}"


def _unreferenced() -> Iterator[str]:
    """Age unreferenced files by days, and check that upkeep moves all of them to the trash."""
    folder = Path(default_storage.path(""))
    named = {key for key, _ in named_files()} | {database_mark.KEY}
    days_ago = time.time() - 3 * 86_400
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in named:
            os.utime(path, (days_ago, days_ago))
    inputs.remove_old()
    for number in range(SLICES):
        remove_unreferenced(number)
    for path in folder.rglob("*"):
        key = str(path.relative_to(folder))
        if path.is_file() and key not in named and not key.startswith(f"{TRASH}/"):
            yield f"{key} is unreferenced and was not moved to the trash"
