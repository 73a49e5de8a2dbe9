"""Bulk actions on studies: assign, prioritise, re-run.

Each action is one transaction with an audit entry for each study that changed. Studies that cannot
be changed are skipped, with the reason. Locks are taken in the order that webportal.inference.queue
names.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from webportal.accounts.models import Role, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.inference import queue
from webportal.inference.models import Job, JobState
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import Radiograph, Study
from webportal.refusals import Conflict
from webportal.review.models import Read, ReadState
from webportal.review.reads.second_reading import not_for

# The end of the audit trail is locked while an action runs, and workers writing back wait for it:
# some seconds for this many.
MOST = 500


class BulkError(Conflict):
    """The action cannot be done at all; the message says what to do."""


@dataclass
class BulkOutcome:
    """The outcome: the studies that changed, and those that did not, by reason."""

    changed: list[uuid.UUID] = field(default_factory=list)
    unchanged: dict[str, list[uuid.UUID]] = field(default_factory=lambda: defaultdict(list))

    def leave(self, study_id: uuid.UUID, reason: str) -> None:
        """Record that a study was skipped."""
        self.unchanged[reason].append(study_id)


@transaction.atomic
def assign(study_ids: Collection[uuid.UUID], reader: User | None, by: User) -> BulkOutcome:
    """Assign the studies to a reader, or unassign them.

    Raises BulkError if that person does not read studies, or there are too many.
    """
    _check_number(study_ids)
    if reader is not None and not (reader.is_active and reader.has_role(Role.RADIOLOGIST)):
        raise BulkError(gettext("Choose a radiologist who may sign in; nothing was changed."))
    outcome, events = BulkOutcome(), []
    locked = _lock(study_ids, outcome, by)
    visible = _visible_among(locked, reader)
    not_theirs = not_for(reader, [study.pk for study in locked]) if reader else set()
    for study in locked:
        if study.reading_state == ReadingState.SIGNED:
            outcome.leave(study.pk, gettext("It is signed already."))
        elif study.reading_state == ReadingState.PRIOR:
            outcome.leave(study.pk, gettext("It is a prior, which is not on the worklist."))
        elif study.pk not in visible:
            outcome.leave(
                study.pk,
                gettext("%(reader)s does not belong to its department.") % {"reader": reader},
            )
        elif study.pk in not_theirs:
            outcome.leave(
                study.pk,
                gettext("%(reader)s may not do the read that it is waiting for.")
                % {"reader": reader},
            )
        elif study.assigned_reader_id == (reader.pk if reader else None):
            outcome.leave(
                study.pk,
                gettext("It already has this assignment.")
                if reader
                else gettext("It is assigned to nobody."),
            )
        else:
            detail = {
                "fields": ["assigned_reader"],
                "from": str(study.assigned_reader_id or ""),
                "to": str(reader.pk if reader else ""),
            }
            events.append(_changed(study, detail))
            outcome.changed.append(study.pk)
    now = timezone.now()
    Study.objects.filter(pk__in=outcome.changed).update(
        assigned_reader=reader,
        assigned_at=now if reader is not None and reader != by else None,
        assigned_since=now if reader is not None else None,
    )
    append_all(events, by)
    return outcome


@transaction.atomic
def prioritise(study_ids: Collection[uuid.UUID], priority: Priority, by: User) -> BulkOutcome:
    """Change the priority of the studies.

    Raises PermissionDenied unless `by` is a coordinator, BulkError if there are too many.
    """
    _check_number(study_ids)
    if not by.has_role(Role.COORDINATOR):
        raise PermissionDenied
    signed = set(
        Read.objects.filter(study__in=study_ids, state=ReadState.SIGNED).values_list(
            "study_id", flat=True
        )
    )
    open_to_change = Study.objects.visible_to(by).filter(pk__in=study_ids).exclude(pk__in=signed)
    for study_id in _with_waiting_jobs(open_to_change.values_list("pk", flat=True)):
        queue.change_priority(study_id, priority)
    outcome, events = BulkOutcome(), []
    for study in _lock(study_ids, outcome, by):
        if study.pk in signed or study.reading_state == ReadingState.SIGNED:
            outcome.leave(study.pk, gettext("It is signed, and its case record with it."))
        elif study.reading_state == ReadingState.PRIOR:
            outcome.leave(study.pk, gettext("It is a prior, which is not on the worklist."))
        elif study.priority == priority:
            outcome.leave(study.pk, gettext("It already has this priority."))
        else:
            detail = {
                "fields": ["priority"],
                "previous_priority": study.priority,
                "priority": priority.value,
            }
            events.append(_changed(study, detail))
            outcome.changed.append(study.pk)
    Study.objects.filter(pk__in=outcome.changed).update(priority=priority)
    append_all(events, by)
    return outcome


@transaction.atomic
def rerun(study_ids: Collection[uuid.UUID], by: User) -> BulkOutcome:
    """Re-run the model on every image of the studies that is not in the queue.

    A quarantined image is released. A study counts as changed if one of its images is queued.
    Raises BulkError if there are too many.
    """
    _check_number(study_ids)
    known = set(Study.objects.visible_to(by).filter(pk__in=study_ids).values_list("pk", flat=True))
    # Lock all before writing the first entry, which locks the end of the audit trail.
    locked = list(
        Radiograph.objects.filter(study__in=known)
        .select_related("study")
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    images = [radiograph.pk for radiograph in locked]
    stuck = {job.radiograph_id: job for job in _quarantined(images)}
    queued, refused = set(), {}
    for radiograph in locked:
        try:
            if radiograph.pk in stuck:
                queue.release_from_quarantine(stuck[radiograph.pk], by)
            else:
                queue.rerun(radiograph, by)
        except queue.QueueError as error:
            refused[radiograph.study_id] = str(error)
        else:
            queued.add(radiograph.study_id)
    outcome = BulkOutcome()
    for study_id in study_ids:
        if study_id in queued:
            outcome.changed.append(study_id)
        elif study_id in known:
            outcome.leave(study_id, refused.get(study_id, gettext("It has no image.")))
        else:
            outcome.leave(study_id, gettext("It no longer exists."))
    return outcome


def _check_number(study_ids: Collection[uuid.UUID]) -> None:
    if not study_ids:
        raise BulkError(gettext("Select a study first; nothing was changed."))
    if len(study_ids) > MOST:
        raise BulkError(
            gettext(
                "At most %(most)s studies can be changed at once. Narrow the filters down, and"
                " change them in parts; nothing was changed."
            )
            % {"most": MOST}
        )


def _lock(study_ids: Collection[uuid.UUID], outcome: BulkOutcome, by: User) -> list[Study]:
    """Lock and return the studies in the order of their ids; record those that are not there."""
    studies = list(
        Study.objects.visible_to(by)
        .filter(pk__in=study_ids)
        .order_by("pk")
        .select_for_update(no_key=True)
    )
    for study_id in set(study_ids) - {study.pk for study in studies}:
        outcome.leave(study_id, gettext("It no longer exists."))
    return studies


def _visible_among(studies: Collection[Study], reader: User | None) -> set[uuid.UUID]:
    """Those of the studies that the reader sees; all for nobody."""
    ids = {study.pk for study in studies}
    if reader is None:
        return ids
    visible = Study.objects.in_departments_of(reader).filter(pk__in=ids)
    return set(visible.values_list("pk", flat=True))


def _with_waiting_jobs(study_ids: Collection[uuid.UUID]) -> QuerySet[Job, uuid.UUID]:
    waiting = Job.objects.filter(state=JobState.QUEUED, radiograph__study__in=study_ids)
    return (
        waiting.order_by("radiograph__study_id")
        .values_list("radiograph__study_id", flat=True)
        .distinct()
    )


def _quarantined(radiograph_ids: list[uuid.UUID]) -> QuerySet[Job]:
    waiting = queue.awaiting_release().filter(radiograph__in=radiograph_ids)
    return waiting.select_related("radiograph__study")


def _changed(study: Study, detail: dict[str, Any]) -> Event:
    return Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)
