"""The job: ask a node for the earlier studies of a patient, and fetch what we do not have."""

import logging
import threading
import uuid
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.network.calling import NotReachedError
from webportal.network.models import (
    PriorRequest,
    PriorRequestState,
    PriorSource,
    PriorState,
    PriorStudy,
)
from webportal.network.priors.arrivals import no_longer_wanted, record_retrieving, refuse
from webportal.network.priors.asking import Answer, chest_series, earlier_studies
from webportal.network.priors.retrieving import Connection
from webportal.records.ages import examined_on
from webportal.records.models import Study
from webportal.refusals import Conflict

logger = logging.getLogger(__name__)

_GIVE_UP_AFTER = timedelta(days=1)
_DAYS_A_YEAR = 365.25


class PriorError(Conflict):
    """The node is not to be asked."""


def due(now: datetime) -> QuerySet[PriorRequest]:
    """The requests whose node is to be asked now, oldest first."""
    waiting = PriorRequest.objects.filter(
        state=PriorRequestState.WAITING,
        node__is_active=True,
        node__prior_source__is_active=True,
    )
    return waiting.filter(next_attempt_at__lte=now).order_by("requested_at", "pk")


def fetch_due(node: uuid.UUID, stopping: threading.Event) -> None:
    """Carry out what is due for a node, on one association. Raises database errors."""
    rows = due(clock()).filter(node=node).select_related("study__patient")
    if not rows.exists():
        return
    source = PriorSource.objects.select_related("node__account").get(node=node)
    try:
        with Connection(source, stopping) as connection:
            for row in rows:
                if stopping.is_set() or not connection.association.is_established:
                    return
                _try(connection, row)
    except NotReachedError as error:
        for row in rows:
            _fail(row, error.code)


def _try(connection: Connection, row: PriorRequest) -> None:
    try:
        _fetch(connection, row)
    except NotReachedError as error:
        _fail(row, error.code)
    except Error:
        raise
    except Exception as error:  # one answer that nobody expected must not stop the others
        # Not its message, which may quote the patient.
        logger.error("Fetching earlier studies failed: %s", type(error).__name__)
        _fail(row, "node_unexpected")


def _fetch(connection: Connection, row: PriorRequest) -> None:
    """Raises NotReachedError if the node does not answer, or not everything has come."""
    source, study = connection.source, row.study
    day = examined_on(study) or timezone.localtime(study.created_at).date()
    # Not of the same day: those may belong to what is still being sent.
    last = day - timedelta(days=1)
    first = last - timedelta(days=round(source.years * _DAYS_A_YEAR))
    answers = earlier_studies(connection.association, study.patient, first, last)
    wanted = _choose(connection, row, answers)
    _record_asked(row, len(answers), len(wanted))
    for prior, series in wanted:
        prior.refresh_from_db()
        if prior.state != PriorState.WANTED:  # switched off meanwhile
            continue
        record_retrieving(row)
        images = connection.retrieve(prior, series)
        if prior.state == PriorState.WANTED:
            _record_fetched(row, prior, images)
    # What an earlier attempt wanted, and the node no longer names.
    no_longer_wanted(row.found.all())
    _settle(row, PriorRequestState.DONE, "")


def _choose(
    connection: Connection, row: PriorRequest, answers: list[Answer]
) -> list[tuple[PriorStudy, list[str]]]:
    """The newest studies that are to be fetched, with their series; notes why others are not."""
    known = {each.study_instance_uid: each for each in row.found.all()}
    wanted: list[tuple[PriorStudy, list[str]]] = []
    compared = 0
    for answer in answers:
        if compared == connection.source.most_studies:
            break
        prior = known.get(answer.study_instance_uid) or PriorStudy(
            request=row,
            study_instance_uid=answer.study_instance_uid,
            performed_on=answer.performed_on,
        )
        if answer.disagreements:
            refuse(prior, answer.disagreements)
        elif prior.state == PriorState.FETCHED or _is_here(prior):
            compared += 1
        elif series := chest_series(connection.association, answer.study_instance_uid):
            _mark(prior, PriorState.WANTED)
            wanted.append((prior, series))
            compared += 1
    return wanted


def _is_here(prior: PriorStudy) -> bool:
    """Whether we have the study, and not because fetching it was begun and not ended."""
    if prior.state == PriorState.WANTED:
        return False
    is_here = Study.objects.filter(study_instance_uid=prior.study_instance_uid).exists()
    if is_here:
        _mark(prior, PriorState.PRESENT)
    return is_here


def _mark(prior: PriorStudy, state: PriorState, code: str = "") -> None:
    prior.state, prior.reason_code, prior.reason_params = state, code, {}
    prior.save()


def _record_asked(row: PriorRequest, answers: int, wanted: int) -> None:
    refused = row.found.filter(state=PriorState.REFUSED, reason_code="prior_differs")
    detail = {
        "node": row.node.ae_title,
        "answers": answers,
        "to_fetch": wanted,
        "differing": {
            each.study_instance_uid: each.reason_params.get("differences", []) for each in refused
        },
    }
    append(Event(Action.PRIORS_ASKED, "prior_request", row.pk, row.study_id, detail))


@transaction.atomic
def _record_fetched(row: PriorRequest, prior: PriorStudy, images: int) -> None:
    _mark(prior, PriorState.FETCHED)
    detail = {
        "node": row.node.ae_title,
        "study_instance_uid": prior.study_instance_uid,
        "images": images,
    }
    append(Event(Action.PRIOR_FETCHED, "prior_request", row.pk, row.study_id, detail))


def _settle(row: PriorRequest, state: PriorRequestState, code: str) -> None:
    row.state, row.reason_code, row.settled_at = state, code, clock()
    row.save(update_fields=["state", "reason_code", "settled_at"])


@transaction.atomic
def _fail(row: PriorRequest, code: str) -> None:
    """Record that not everything has come; it is tried again later, or given up."""
    row.attempts += 1
    row.reason_code = code
    row.next_attempt_at = clock() + timedelta(seconds=pause_seconds(row.attempts))
    row.save(update_fields=["attempts", "reason_code", "next_attempt_at"])
    if clock() - row.requested_at < _GIVE_UP_AFTER:
        return
    for prior in row.found.filter(state=PriorState.WANTED):
        _mark(prior, PriorState.REFUSED, code)
    _settle(row, PriorRequestState.GIVEN_UP, code)


@transaction.atomic
def ask_again(row: PriorRequest, by: User) -> None:
    """Ask the node once more, at once; what was fetched stays. Raises PriorError."""
    locked = PriorRequest.objects.select_for_update().get(pk=row.pk)
    sources = PriorSource.objects.filter(is_active=True, node__is_active=True)
    if not sources.filter(node=locked.node_id).exists():
        raise PriorError(_("No earlier studies are fetched from this device; allow it first."))
    locked.state, locked.attempts, locked.reason_code = PriorRequestState.WAITING, 0, ""
    locked.requested_at = locked.next_attempt_at = clock()
    locked.settled_at = None
    locked.save()
    append(Event(Action.PRIORS_RETRIED, "prior_request", locked.pk, locked.study_id), by)
