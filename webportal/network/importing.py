"""Importing from the inbox, study by study, through the pipeline of uploads.

Only one process does this at a time. If killed, it can simply continue: the pipeline returns the
same verdict for a file it has already seen.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.conf import settings
from django.db import Error, transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from webportal import tracing
from webportal.database.locks import trying_lock
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.errors import StorageRefusesError
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.intake.pipeline import group
from webportal.network import inbox
from webportal.network.models import InboxState, Node, ReceivedInstance
from webportal.network.priors.arrivals import department_of
from webportal.reasons import Reason
from webportal.records.models import Series
from webportal.storage import DamagedFileError

# A study that never becomes quiet is imported after this multiple of the quiet period.
_MOST_QUIETS = 20
_MOST_ATTEMPTS = 3
_LOCK = 0x6469636D  # "dicm"

_STATES = {
    Verdict.ACCEPTED: InboxState.TAKEN,
    Verdict.DUPLICATE: InboxState.TAKEN,
    Verdict.HELD: InboxState.HELD,
    Verdict.REFUSED: InboxState.REFUSED,
    # A person discarded the same file before; that decision is kept.
    Verdict.DISCARDED: InboxState.DISCARDED,
}


@dataclass(frozen=True)
class _Study:
    """A study waiting in the inbox, from one node."""

    node: Node
    uid: str
    is_prior: bool

    def waiting(self) -> QuerySet[ReceivedInstance]:
        return ReceivedInstance.objects.filter(
            state=InboxState.WAITING,
            node=self.node,
            study_instance_uid=self.uid,
            is_prior=self.is_prior,
        )


def import_quiet_studies(should_stop: Callable[[], bool] = lambda: False) -> int:
    """Import every study that has become quiet; return the number of instances settled.

    Does nothing while another process is doing it. Raises StorageRefusesError, OSError and database
    errors if nothing can be stored; everything then stays in the inbox.
    """
    with trying_lock(_LOCK) as is_mine:
        if not is_mine:
            return 0
        inbox.clear()
        settled = 0
        for study in _quiet_studies():
            batch = _batch_for(study)
            # Of two versions of an image, the one that came first is stored, however often it
            # came again since; the other is held.
            rows = study.waiting().filter(batch=batch).order_by("first_received_at", "pk")
            for some in _groups(rows):
                if should_stop():
                    return settled
                with tracing.span("import instances"):
                    _import(some, batch, study.node)
                settled += len(some)
        return settled


def _quiet_studies() -> list[_Study]:
    """The studies of which nothing has arrived for a while: oldest first, priors last."""
    quiet = timedelta(seconds=settings.DICOM_STUDY_QUIET_SECONDS)
    now = timezone.now()
    found = (
        ReceivedInstance.objects.filter(state=InboxState.WAITING)
        .values("node", "study_instance_uid", "is_prior")
        .annotate(first=Min("received_at"), last=Max("received_at"))
        .order_by("is_prior", "first")
    )
    due = [
        each
        for each in found
        if each["last"] <= now - quiet or each["first"] <= now - _MOST_QUIETS * quiet
    ]
    nodes = Node.objects.select_related("account").in_bulk({each["node"] for each in due})
    return [
        _Study(nodes[each["node"]], each["study_instance_uid"], each["is_prior"]) for each in due
    ]


@transaction.atomic
def _batch_for(study: _Study) -> UploadBatch:
    """Return the batch for a study's waiting instances: an earlier one of its node, or a new one.

    Instances that another node sent before are in a batch of that node.
    """
    waiting, node = study.waiting(), study.node
    own = waiting.filter(batch__created_by=node.account, batch__is_prior=study.is_prior)
    earlier = own.select_related("batch").first()
    if earlier is not None and earlier.batch is not None:
        batch = earlier.batch
    else:
        at = timezone.localtime().strftime("%Y-%m-%d %H:%M")
        batch = services.create_batch(
            node.account,
            name=f"{node.ae_title} {'priors ' if study.is_prior else ''}{at}",
            department=department_of(node, study.uid) if study.is_prior else node.department,
            is_prior=study.is_prior,
        )
    waiting.update(batch=batch)
    files = ReceivedInstance.objects.filter(batch=batch).aggregate(all=Count("pk"))["all"]
    services.announce(batch, files)
    return batch


def _groups(rows: Iterable[ReceivedInstance]) -> Iterator[list[ReceivedInstance]]:
    """Divide a study into groups that are imported together.

    Instances whose import has begun before are alone: one of them may have killed the process.
    """
    for was_begun, some in groupby(rows, key=lambda row: row.attempts > 0):
        if was_begun:
            yield from ([row] for row in some)
        else:
            yield from group.bounded(some, lambda row: row.size)


def _import(rows: Sequence[ReceivedInstance], batch: UploadBatch, node: Node) -> None:
    """Import a group and record its verdicts. Raises errors that would affect every file."""
    attempts = rows[0].attempts
    tried = ReceivedInstance.objects.filter(pk__in=[row.pk for row in rows])
    tried.update(attempts=attempts + 1)
    if attempts >= _MOST_ATTEMPTS:
        _settle([_Outcome(row, None, Reason("internal_error")) for row in rows], node)
        return
    files: list[tuple[ReceivedInstance, bytes]] = []
    outcomes: list[_Outcome] = []
    for row in rows:
        try:
            files.append((row, inbox.read(row)))
        except (FileNotFoundError, DamagedFileError):
            outcomes.append(_Outcome(row, None, Reason("inbox_file_missing")))
    try:
        named = [(f"{row.sop_instance_uid}.dcm", io.BytesIO(data)) for row, data in files]
        items = pipeline.receive_files(batch, named, node.account)
    except (StorageRefusesError, OSError, Error):
        tried.update(attempts=attempts)
        raise
    outcomes += [
        _Outcome(row, item, item.reason) for (row, _), item in zip(files, items, strict=True)
    ]
    _settle(outcomes, node)


@dataclass(frozen=True)
class _Outcome:
    """The outcome for an instance; `item` is None if it never reached the pipeline."""

    row: ReceivedInstance
    item: UploadItem | None
    reason: Reason

    @property
    def state(self) -> InboxState:
        return _STATES[Verdict(self.item.verdict)] if self.item else InboxState.REFUSED


@transaction.atomic
def _settle(outcomes: Sequence[_Outcome], node: Node) -> None:
    """Record outcomes, except of instances of which the same bytes came again and are waiting."""
    known = {outcome.row.pk: outcome for outcome in outcomes}
    rows = ReceivedInstance.objects.select_for_update().filter(pk__in=known).order_by("pk")
    settled, now = [], timezone.now()
    for row in rows:
        outcome = known[row.pk]
        if row.times_received != outcome.row.times_received:
            continue
        row.item, row.state, row.settled_at = outcome.item, outcome.state, now
        row.attempts = 0
        row.reason_code, row.reason_params = outcome.reason.code, dict(outcome.reason.params)
        settled.append(row)
    fields = ["item", "state", "settled_at", "attempts", "reason_code", "reason_params"]
    ReceivedInstance.objects.bulk_update(settled, fields)
    images = [row.item.radiograph for row in settled if row.item and row.item.radiograph]
    series = Series.objects.filter(pk__in={image.series_id for image in images}, ae_title="")
    series.update(ae_title=node.ae_title)
