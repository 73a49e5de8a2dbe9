"""Which worklists are queried for the order of a study, when, and with what result.

A query is a row, so that none is lost; `webportal.network.worklist` sends them. It starts over
when the study gets another accession number or patient.
"""

from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from webportal.database.clock import clock
from webportal.orders.models import (
    OrderedStudy,
    OrderQuestion,
    OrderSource,
    QuestionState,
    SourceKind,
)
from webportal.reasons import NO_REASON, Reason
from webportal.records.choices import ReadingState
from webportal.records.models import Study

#: The intervals after which a query without a match is repeated: orders are sometimes entered
#: after the images. After the last one it is not repeated.
ASKED_AGAIN = tuple(timedelta(minutes=minutes) for minutes in (2, 10, 60, 240))
#: A single error may be temporary; so many in a row are not.
MOST_FAILURES = 8
#: Worklists hold scheduled procedures only, so older studies, as after an import, are not on them.
OLDEST = timedelta(days=7)


def ask_for(study: Study) -> None:
    """Query every worklist for the order of a study, new or changed and locked.

    Not for a study that has an order, nor for one without an accession number.
    """
    if not _is_to_be_asked(study):
        return
    for source in worklists():
        OrderQuestion.objects.update_or_create(
            study=study,
            source=source,
            defaults={
                "state": QuestionState.WAITING,
                "round": F("round") + 1,
                "nones": 0,
                "failures": 0,
                "next_at": clock(),
                "asked_at": None,
                "reason_code": "",
                "reason_params": {},
            },
            create_defaults={"next_at": clock()},
        )


def _is_to_be_asked(study: Study) -> bool:
    if not study.accession_number or study.is_phantom:
        return False
    is_old = study.performed_at is not None and study.performed_at < timezone.now() - OLDEST
    return not is_old and not OrderedStudy.objects.filter(study=study).exists()


def may_be_asked_again(study: Study) -> bool:
    """Whether asking again has an effect: the study is unread and has no order yet."""
    return study.reading_state == ReadingState.UNREAD and _is_to_be_asked(study)


def worklists() -> QuerySet[OrderSource]:
    """The worklists that are queried."""
    return OrderSource.objects.filter(kind=SourceKind.WORKLIST, is_active=True)


def waiting() -> QuerySet[OrderQuestion]:
    """The queries to send, now or later; none for studies that have an order or are read."""
    links = OrderedStudy.objects.filter(study=OuterRef("study"))
    return OrderQuestion.objects.filter(
        ~Exists(links),
        ~Q(study__accession_number=""),
        source__in=worklists(),
        state=QuestionState.WAITING,
        study__reading_state=ReadingState.UNREAD,
        created_at__gt=clock() - OLDEST,
    )


def due() -> QuerySet[OrderQuestion]:
    """The queries to send now, most urgent first.

    None for worklists that get a pause because they did not respond.
    """
    now = clock()
    is_open = Q(source__retry_at=None) | Q(source__retry_at__lte=now)
    return waiting().filter(is_open, next_at__lte=now).order_by("study__priority", "next_at", "id")


def record_away(source: OrderSource, pause: timedelta) -> None:
    """Record that a worklist does not respond, and send it nothing during `pause`."""
    OrderSource.objects.filter(pk=source.pk).update(
        failures=F("failures") + 1,
        away_since=Coalesce("away_since", Value(clock())),
        retry_at=clock() + pause,
    )


def record_reached(source: OrderSource) -> None:
    """Record that a worklist responds."""
    away = OrderSource.objects.filter(pk=source.pk, failures__gt=0)
    away.update(failures=0, away_since=None, retry_at=None)


def record_found(question: OrderQuestion) -> None:
    """Record a match, whether or not it is for the study's patient."""
    _record(question, QuestionState.FOUND)


def record_none(question: OrderQuestion) -> None:
    """Record that there is no match; the query is repeated a few times."""
    again = dict(enumerate(ASKED_AGAIN)).get(question.nones)
    _record(
        question,
        QuestionState.NONE if again is None else QuestionState.WAITING,
        again=again,
        nones=question.nones + 1,
    )


def record_unusable(question: OrderQuestion, reason: Reason) -> None:
    """Record a match that cannot be used; it stays until somebody asks again."""
    _record(question, QuestionState.FAILED, reason)


def record_error(question: OrderQuestion, reason: Reason, pause: timedelta) -> None:
    """Record an error; the query is repeated, but not for ever."""
    is_over = question.failures + 1 >= MOST_FAILURES
    _record(
        question,
        QuestionState.FAILED if is_over else QuestionState.WAITING,
        reason,
        again=pause,
        failures=question.failures + 1,
    )


def _record(
    question: OrderQuestion,
    state: QuestionState,
    reason: Reason = NO_REASON,
    *,
    again: timedelta | None = None,
    **counts: int,
) -> None:
    """Record a result, unless the query has been restarted meanwhile."""
    now = clock()
    OrderQuestion.objects.filter(pk=question.pk, round=question.round).update(
        state=state,
        asked_at=now,
        next_at=now + (again or timedelta(0)),
        reason_code=reason.code,
        reason_params=dict(reason.params),
        **counts,
    )
