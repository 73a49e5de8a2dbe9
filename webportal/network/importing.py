"""Importing from the inbox, study by study, through the pipeline of uploads.

Only one process does this at a time. If killed, it can simply continue: the pipeline returns the
same verdict for a file it has already seen.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import Error, transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from webportal import tracing
from webportal.accounts.models import User
from webportal.database.locks import trying_lock
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.errors import StorageRefusesError
from webportal.intake.models import UploadBatch, UploadItem, Verdict
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
            for row in study.waiting().filter(batch=batch).order_by("first_received_at", "pk"):
                if should_stop():
                    return settled
                with tracing.span("import instance"):
                    _import(row, batch, study.node.account)
                settled += 1
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


def _import(row: ReceivedInstance, batch: UploadBatch, by: User) -> None:
    """Import one instance and record its verdict. Raises errors that would affect every file."""
    attempts = row.attempts + 1
    ReceivedInstance.objects.filter(pk=row.pk).update(attempts=attempts)
    if attempts > _MOST_ATTEMPTS:
        _settle(row, None, InboxState.REFUSED, Reason("internal_error"))
        return
    try:
        data = inbox.read(row)
    except (FileNotFoundError, DamagedFileError):
        _settle(row, None, InboxState.REFUSED, Reason("inbox_file_missing"))
        return
    try:
        name = f"{row.sop_instance_uid}.dcm"
        [item] = pipeline.receive_file(batch, name, io.BytesIO(data), by)
    except (StorageRefusesError, OSError, Error):
        ReceivedInstance.objects.filter(pk=row.pk).update(attempts=row.attempts)
        raise
    _settle(row, item, _STATES[Verdict(item.verdict)], item.reason)


@transaction.atomic
def _settle(
    row: ReceivedInstance, item: UploadItem | None, state: InboxState, reason: Reason
) -> None:
    """Record the outcome of an instance, unless the same bytes arrived again and are waiting."""
    locked = ReceivedInstance.objects.select_for_update().get(pk=row.pk)
    if locked.times_received != row.times_received:
        return
    locked.item, locked.state, locked.settled_at = item, state, timezone.now()
    locked.attempts = 0
    locked.reason_code, locked.reason_params = reason.code, dict(reason.params)
    locked.save()
    if item is not None and item.radiograph is not None and item.radiograph.series_id:
        series = Series.objects.filter(pk=item.radiograph.series_id, ae_title="")
        assert locked.node is not None
        series.update(ae_title=locked.node.ae_title)
