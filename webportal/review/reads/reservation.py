"""Reservations: *Next* takes the most urgent study and reserves it for its reader.

A reservation ends with the signature, when its reader releases it, or by timeout: the open page
renews it, and RESERVATION_SECONDS after the last renewal others may take the study. It prevents
duplicate work, not signing: signing a study that another is reading only gives a warning.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webportal.accounts.models import Role, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.choices import Concern, Priority
from webportal.records.models import Study
from webportal.records.visibility import Scope, scope_of
from webportal.review.models import Reservation
from webportal.review.reads.blinding import hides_result, reads_without_model
from webportal.review.reads.second_reading import may_read_blind

# A study that this reader may read, that nobody else is reading, and that is not assigned to
# another, unless that one may not make the read that is due, by the rule of `may_make`, can read no
# study of the department any more, or has not begun with a stat study in time, which counts from
# when it became stat. Exclusions are evaluated once, so that the index gives the order.
MAY_HAVE = """
    FROM records_study AS study
    LEFT JOIN review_reservation AS other ON other.study_id = study.id
        AND other.reader_id <> %(reader)s AND other.expires_at > %(now)s
    WHERE study.reading_state = 'unread' AND other.study_id IS NULL
        AND {of_departments} AND {which}
        AND study.id NOT IN (
            SELECT own.study_id FROM review_read AS own
            JOIN review_secondreading AS second ON second.study_id = own.study_id
            WHERE own.reader_id = %(reader)s AND own.state = 'signed' AND second.due <> '')
        AND (study.assigned_reader_id IS NULL OR study.assigned_reader_id = %(reader)s
            OR study.priority = {stat} AND COALESCE(
                study.assigned_since, study.assigned_at, study.created_at) <= %(assigned_until)s
                AND NOT EXISTS (
                    SELECT FROM audit_auditentry AS became WHERE became.study_id = study.id
                    AND became.at > %(assigned_until)s AND became.action = {changed}
                    AND became.detail ->> 'priority' = '{stat}')
            OR NOT EXISTS (
                SELECT FROM accounts_user AS assigned WHERE assigned.id = study.assigned_reader_id
                AND assigned.is_active AND {radiologist} = ANY(assigned.roles)
                AND (assigned.sees_all_departments OR EXISTS (
                    SELECT FROM accounts_membership AS own WHERE own.user_id = assigned.id
                    AND own.department_id = study.department_id)))
            OR study.id IN (
                SELECT waiting.id FROM review_secondreading AS second
                JOIN records_study AS waiting ON waiting.id = second.study_id
                JOIN accounts_user AS assigned ON assigned.id = waiting.assigned_reader_id
                WHERE second.due = 'second' AND {auditor} = ANY(assigned.roles)
                    OR second.due <> '' AND EXISTS (
                        SELECT FROM review_read AS own WHERE own.study_id = waiting.id
                        AND own.reader_id = assigned.id AND own.state = 'signed')))
        AND study.id IS DISTINCT FROM %(besides)s::uuid
        AND {below}
    ORDER BY {order}
    LIMIT 1
"""
PEEK = f"SELECT study.id, study.priority, {{concern}}, study.created_at {MAY_HAVE}"
# The locks are taken in the same statement: a row that another claim holds is skipped. A claim that
# committed after this statement began only shows in ON CONFLICT, and then nothing is taken.
CLAIM = f"""
WITH candidate AS (
    SELECT study.id {MAY_HAVE}
    FOR NO KEY UPDATE OF study SKIP LOCKED
), claimed AS (
    INSERT INTO review_reservation AS present (study_id, reader_id, reserved_at, expires_at)
    SELECT id, %(reader)s, %(now)s, %(until)s FROM candidate
    ON CONFLICT (study_id) DO UPDATE
        SET reader_id = excluded.reader_id, expires_at = excluded.expires_at,
            reserved_at = CASE WHEN present.reader_id = excluded.reader_id
                THEN present.reserved_at ELSE excluded.reserved_at END
        WHERE present.reader_id = excluded.reader_id OR present.expires_at <= %(now)s
    RETURNING study_id, reserved_at
)
SELECT claimed.study_id, claimed.reserved_at
FROM candidate LEFT JOIN claimed ON claimed.study_id = candidate.id
"""  # noqa: S608


@dataclass(frozen=True)
class Pool:
    """A subset of the unread studies in SQL: condition, concern, and order."""

    which: str
    concern: str = "study.concern"
    order: str = "study.priority, study.concern, study.created_at, study.id"

    def statement(self, template: str, scope: Scope, *, below: bool) -> str:
        """Return the statement for this pool, of the studies below `besides` if wanted."""
        place = f"(study.priority, {self.concern}, study.created_at, study.id)"
        left = "(%(priority)s, %(concern)s, %(created_at)s, %(besides)s::uuid)"
        return template.format(
            which=self.which,
            stat=Priority.STAT.value,
            changed=f"'{Action.STUDY_CHANGED.value}'",
            radiologist=f"'{Role.RADIOLOGIST.value}'",
            auditor=f"'{Role.AUDITOR.value}'",
            of_departments=scope.sql("study.department_id"),
            concern=self.concern,
            order=self.order,
            below=f"{place} > {left}" if below else "TRUE",
        )


SECOND_READS = "(SELECT study_id FROM review_secondreading WHERE due = 'second')"
EVERY_READ = Pool("TRUE")
NO_SECOND_READS = Pool(f"study.id NOT IN {SECOND_READS}")
# Blinded readers get them all as if the model had called them likely: positions then reveal
# nothing, and overruled ones are not delayed.
BLIND_SECOND_READS = Pool(
    f"study.id IN {SECOND_READS}",
    concern=str(Concern.LIKELY.value),
    order="study.priority, study.created_at, study.id",
)


@transaction.atomic
def reserve_next(reader: User, after: Study | None = None) -> Study | None:
    """Reserve the most urgent study for this reader and return it; None when there is none.

    `after` is a study that the reader leaves unread: it is released, and the next one below it on
    the worklist is taken, wrapping around at the end.
    """
    study_id = None
    if after is not None:
        give_back(after, reader)
        study_id = _claim(reader, after, below=True)
    study_id = study_id or _claim(reader, after)
    return Study.objects.visible_to(reader).get(pk=study_id) if study_id else None


def peek_next(reader: User, besides: Study) -> list[Study]:
    """The studies that `reserve_next` would most likely give after this one.

    The first follows if `besides` is signed, another if it is left unread. Nothing is reserved: the
    viewer prefetches their images.
    """
    values = _values(reader, besides)
    likely = [_first_places(reader, values, below=below)[:1] for below in (False, True)]
    ids = list(dict.fromkeys(place.study_id for places in likely for place in places))
    found = Study.objects.visible_to(reader).in_bulk(ids)
    return [found[each] for each in ids if each in found]


@transaction.atomic
def reserve(study: Study, reader: User) -> Reservation:
    """Reserve a study, or renew the reservation, and return the current one, perhaps another's."""
    now = timezone.now()
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    present = Reservation.objects.filter(study=study).select_related("reader").first()
    if present is None:
        present = Reservation(study=study, reader=reader, reserved_at=now)
    is_over = present.expires_at is None or present.expires_at <= now
    if present.reader_id != reader.pk and not is_over:
        return present
    if is_over:
        present.reader, present.reserved_at = reader, now
    present.expires_at = now + _duration()
    present.save()
    if is_over:
        _append_reserved(study.pk, reader)
    return present


@transaction.atomic
def renew(study: Study, reader: User) -> Reservation | None:
    """Extend the reader's own reservation and return the current holder, if any."""
    present = reservation_of(study)
    if present is not None and present.reader_id == reader.pk:
        present.expires_at = timezone.now() + _duration()
        Reservation.objects.filter(study=study, reader=reader).update(expires_at=present.expires_at)
    return present


@transaction.atomic
def give_back(study: Study, reader: User) -> bool:
    """Release the reader's own reservation of a study; return whether there was one."""
    deleted, _ = Reservation.objects.filter(
        study=study, reader=reader, expires_at__gt=timezone.now()
    ).delete()
    if deleted:
        append(Event(Action.RESERVATION_ENDED, "study", study.pk, study.pk), reader)
    return bool(deleted)


def end_by_signature(study: Study, reader: User | None = None) -> None:
    """End any reservation of a study, or only this reader's, because a read of it was signed."""
    reservations = Reservation.objects.filter(study=study)
    (reservations.filter(reader=reader) if reader else reservations).delete()


def reservation_of(study: Study) -> Reservation | None:
    """Who is reading a study now."""
    return reservations_of([study.pk]).get(study.pk)


def reservations_of(study_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Reservation]:
    """Who is reading which of these studies now."""
    present = Reservation.objects.filter(study__in=study_ids, expires_at__gt=timezone.now())
    return {each.study_id: each for each in present.select_related("reader")}


@dataclass(frozen=True, order=True)
class _Place:
    """Sort position of a study for a reader."""

    priority: int
    concern: int
    created_at: datetime
    study_id: uuid.UUID
    pool: Pool = field(compare=False)


def _claim(reader: User, besides: Study | None, below: bool = False) -> uuid.UUID | None:
    values = _values(reader, besides)
    pools = _pools(reader)
    if len(pools) > 1:
        pools = [place.pool for place in _first_places(reader, values, below=below)]
    for pool in pools:
        study_id = _claim_from(pool, values, reader, below=below)
        if study_id is not None:
            return study_id
    return None


def _pools(reader: User) -> list[Pool]:
    if reads_without_model(reader):
        return [NO_SECOND_READS, BLIND_SECOND_READS]
    return [EVERY_READ if may_read_blind(reader) else NO_SECOND_READS]


def _first_places(reader: User, values: dict[str, Any], *, below: bool) -> list[_Place]:
    """The first place of each of the reader's pools, the most urgent of them first."""
    places, scope = [], scope_of(reader)
    with connection.cursor() as cursor:
        for pool in _pools(reader):
            cursor.execute(pool.statement(PEEK, scope, below=below), values)
            for study_id, priority, concern, created_at in cursor.fetchall():
                places.append(_Place(priority, concern, created_at, study_id, pool))
    return sorted(places)


def _values(reader: User, besides: Study | None) -> dict[str, Any]:
    now = timezone.now()
    values: dict[str, Any] = {
        "reader": reader.pk,
        "now": now,
        "until": now + _duration(),
        "assigned_until": _assigned_until(now),
        "besides": besides.pk if besides else None,
        **scope_of(reader).parameters,
    }
    if besides is None:
        return values
    is_blind = hides_result(reader, besides)
    return values | {
        "priority": besides.priority,
        "concern": Concern.LIKELY if is_blind else besides.concern,
        "created_at": besides.created_at,
    }


def _claim_from(
    pool: Pool, values: dict[str, Any], reader: User, *, below: bool
) -> uuid.UUID | None:
    statement = pool.statement(CLAIM, scope_of(reader), below=below)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            if row is None:
                return None
            study_id, reserved_at = row
            # Another reader was faster; the retry sees their reservation.
            if study_id is not None:
                break
    if reserved_at == values["now"]:
        _append_reserved(uuid.UUID(str(study_id)), reader)
    return uuid.UUID(str(study_id))


def _append_reserved(study_id: uuid.UUID, reader: User) -> None:
    """Append it to the trail, with whom the study is assigned to, if to somebody else."""
    assigned = Study.objects.values_list("assigned_reader", flat=True).get(pk=study_id)
    detail = {"assigned_to": str(assigned)} if assigned not in (None, reader.pk) else {}
    append(Event(Action.STUDY_RESERVED, "study", study_id, study_id, detail), reader)


def _assigned_until(now: datetime) -> datetime | None:
    """Until when a study must have been assigned, and stat, for others to get it; None if never."""
    minutes = settings.STAT_ASSIGNED_MINUTES
    return now - timedelta(minutes=minutes) if minutes else None


def _duration() -> timedelta:
    return timedelta(seconds=settings.RESERVATION_SECONDS)
