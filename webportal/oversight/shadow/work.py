"""The workers' side of a trial: take images when nothing else waits, and report.

An image is tried only once. If its worker dies meanwhile, it has failed, so that a version that
kills its process cannot do so twice with the same image; a few such deaths end the trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone

from webportal.inference.models import QueuePause, Worker
from webportal.inference.pauses import claimable
from webportal.oversight.models import Shadow, ShadowResult, ShadowState

#: A trial ends after this many batches lost with their workers: the version may be the cause.
MOST_LOST_BATCHES = 3
# Longer than any batch takes; a dead worker delays nobody here.
_LEASE = timedelta(minutes=10)
# Of an image that a worker holds while it loads the version, and of one whose worker died of that.
_LOADING = "loading"
_LOST_LOADING = "worker_lost_loading"

CLAIM = """
WITH line AS MATERIALIZED (
    SELECT id FROM oversight_shadowresult
    WHERE shadow_id = %(shadow)s AND state = 'waiting'
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE oversight_shadowresult AS result
SET state = 'running', worker = %(worker)s, leased_until = now() + %(lease)s
FROM line, records_radiograph AS radiograph
WHERE result.id = line.id AND radiograph.id = result.radiograph_id
RETURNING result.id, radiograph.dicom_key, radiograph.dicom_sha256
"""


@dataclass(frozen=True)
class ShadowImage:
    """An image of a trial, for its worker."""

    id: int
    dicom_key: str
    dicom_sha256: str


@dataclass(frozen=True)
class ShadowAnswer:
    """The result for an image; `failure` is the reason if there is none, else ''."""

    category: str = ""
    probability: float | None = None
    reason_code: str = ""
    failure: str = ""


def running_shadow() -> Shadow | None:
    """The running trial, if any; not one that too many workers have died of."""
    found = Shadow.objects.filter(
        ended_at=None,
        ends_at__gt=timezone.now(),
        beside__is_active=True,
        lost_batches__lt=MOST_LOST_BATCHES,
    )
    return found.select_related("model_version").first()


def is_free(worker: str) -> bool:
    """Whether this worker may work on a trial: no image waits that any worker could take.

    A drained worker may not, nor anyone while the whole queue is paused.
    """
    return not (
        claimable().exists()
        or QueuePause.objects.filter(priority=None).exists()
        or Worker.objects.filter(pk=worker, is_draining=True).exists()
    )


def waits(shadow: Shadow) -> bool:
    """Whether an image of the trial waits for a worker."""
    return ShadowResult.objects.filter(shadow=shadow, state=ShadowState.WAITING).exists()


def take(shadow: Shadow, worker: str, limit: int) -> list[ShadowImage]:
    """Lease up to `limit` images of a trial to the worker; none while anything else waits."""
    if not is_free(worker):
        return []
    parameters: dict[str, Any] = {
        "shadow": shadow.pk,
        "worker": worker,
        "limit": limit,
        "lease": _LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, parameters)
        return [ShadowImage(*row) for row in sorted(cursor.fetchall())]


@transaction.atomic
def begin_loading(shadow: Shadow, worker: str) -> bool:
    """Hold one image while the worker loads the version; return whether there was one.

    If loading kills the worker, this image counts as its lost batch. `give_back` ends the hold.
    """
    held = [image.id for image in take(shadow, worker, 1)]
    return ShadowResult.objects.filter(pk__in=held).update(reason_code=_LOADING) > 0


def has_died_loading(shadow: Shadow, worker: str) -> bool:
    """Whether a process of this worker's name has died while it loaded the version."""
    lost = ShadowResult.objects.filter(shadow=shadow, worker=worker, state=ShadowState.FAILED)
    return lost.filter(reason_code=_LOST_LOADING).exists()


@transaction.atomic
def record(worker: str, answers: Mapping[int, ShadowAnswer]) -> int:
    """Store the results of a batch; return how many the worker still held."""
    held = list(_held_by(worker).filter(pk__in=answers).order_by("pk").select_for_update())
    for result in held:
        answer = answers[result.pk]
        result.leased_until = None
        result.state = ShadowState.FAILED if answer.failure else ShadowState.DONE
        result.category, result.probability = answer.category, answer.probability
        result.reason_code = answer.failure or answer.reason_code
    fields = ["state", "leased_until", "category", "probability", "reason_code"]
    ShadowResult.objects.bulk_update(held, fields)
    return len(held)


def give_back(worker: str) -> None:
    """Return the images that the worker has begun, when it stops cleanly or cannot continue."""
    _held_by(worker).update(state=ShadowState.WAITING, worker="", leased_until=None, reason_code="")


def release(worker: str) -> None:
    """Give up the images of the worker's predecessor of the same name, and its loading state."""
    lose(worker=worker)
    Shadow.objects.filter(failing=worker).update(failing="")
    Shadow.objects.filter(cannot_load=worker).update(cannot_load="")


@transaction.atomic
def lose(**condition: Any) -> None:
    """Count the lost batches of dead workers, and their images as failed."""
    lost = ShadowResult.objects.filter(state=ShadowState.RUNNING, **condition)
    trials = Shadow.objects.filter(pk__in=lost.values("shadow")).order_by("pk")
    for shadow in trials.select_for_update(no_key=True):
        of_trial = lost.filter(shadow=shadow).order_by("pk").select_for_update()
        workers = set(of_trial.values_list("worker", flat=True))
        lost.filter(shadow=shadow, worker__in=workers).update(
            state=ShadowState.FAILED,
            leased_until=None,
            reason_code=Case(
                When(reason_code=_LOADING, then=Value(_LOST_LOADING)), default=Value("worker_lost")
            ),
        )
        Shadow.objects.filter(pk=shadow.pk).update(lost_batches=F("lost_batches") + len(workers))


def record_loading(shadow: Shadow, worker: str, *, failed: bool) -> None:
    """Record that the worker could not load the version, or that it now could."""
    if failed:
        Shadow.objects.filter(pk=shadow.pk).exclude(cannot_load=worker).update(cannot_load=worker)
    else:
        Shadow.objects.filter(pk=shadow.pk, cannot_load=worker).update(cannot_load="")


def record_failing(shadow: Shadow, worker: str, *, failing: bool) -> None:
    """Record that the worker's work on the trial ends in errors, or that it now goes on."""
    if failing:
        Shadow.objects.filter(pk=shadow.pk).exclude(failing=worker).update(failing=worker)
    else:
        Shadow.objects.filter(pk=shadow.pk, failing=worker).update(failing="")


def _held_by(worker: str) -> QuerySet[ShadowResult]:
    return ShadowResult.objects.filter(worker=worker, state=ShadowState.RUNNING)
