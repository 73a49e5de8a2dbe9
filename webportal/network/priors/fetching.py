"""Query a node for the earlier studies of a patient, and retrieve those we do not have."""

import logging
import threading
import uuid
from datetime import timedelta

from django.db import Error, transaction
from django.utils import timezone

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.network.models import (
    PriorRequest,
    PriorRequestState,
    PriorSource,
    PriorState,
    PriorStudy,
)
from webportal.network.priors.arrivals import mark_unwanted, record_retrieving, refuse
from webportal.network.priors.prior_requests import due
from webportal.network.priors.queries import FoundStudy, chest_series, earlier_studies
from webportal.network.priors.retrieving import SourceAssociation
from webportal.network.scu import NotReachedError
from webportal.records.ages import examined_on
from webportal.records.models import Study

logger = logging.getLogger(__name__)

_GIVE_UP_AFTER = timedelta(days=1)
_DAYS_A_YEAR = 365.25


def fetch_due(node: uuid.UUID, stopping: threading.Event) -> None:
    """Carry out what is due for a node, on one association. Raises database errors."""
    rows = due(clock()).filter(node=node).select_related("study__patient")
    if not rows.exists():
        return
    source = PriorSource.objects.select_related("node__account").get(node=node)
    try:
        with SourceAssociation(source, stopping) as connection:
            for row in rows:
                if stopping.is_set() or not connection.association.is_established:
                    return
                _try(connection, row)
    except NotReachedError as error:
        for row in rows:
            _fail(row, error.code)


def _try(connection: SourceAssociation, row: PriorRequest) -> None:
    try:
        _fetch(connection, row)
    except NotReachedError as error:
        _fail(row, error.code)
    except Error:
        raise
    except Exception as error:  # an unexpected response must not stop the other requests
        # The message is not logged: it may quote the patient.
        logger.error("Fetching earlier studies failed: %s", type(error).__name__)
        _fail(row, "node_unexpected")


def _fetch(connection: SourceAssociation, row: PriorRequest) -> None:
    """Query and retrieve. Raises NotReachedError if the node fails, or sends only part."""
    source, study = connection.source, row.study
    day = examined_on(study) or timezone.localtime(study.created_at).date()
    # The day itself is left out: its studies may still be arriving.
    last = day - timedelta(days=1)
    first = last - timedelta(days=round(source.years * _DAYS_A_YEAR))
    found = earlier_studies(connection.association, study.patient, first, last)
    wanted = _choose(connection, row, found)
    _record_asked(row, len(found), len(wanted))
    for prior, series in wanted:
        prior.refresh_from_db()
        if prior.state != PriorState.WANTED:  # fetching was switched off meanwhile
            continue
        record_retrieving(row)
        images = connection.retrieve(prior, series)
        if prior.state == PriorState.WANTED:
            _record_fetched(row, prior, images)
    # Studies that an earlier attempt wanted, and the node no longer finds.
    mark_unwanted(row.found.all())
    _settle(row, PriorRequestState.DONE, "")


def _choose(
    connection: SourceAssociation, row: PriorRequest, found: list[FoundStudy]
) -> list[tuple[PriorStudy, list[str]]]:
    """The newest studies to fetch, with their series; records why others are not fetched."""
    known = {prior.study_instance_uid: prior for prior in row.found.all()}
    wanted: list[tuple[PriorStudy, list[str]]] = []
    compared = 0
    for each in found:
        if compared == connection.source.most_studies:
            break
        prior = known.get(each.study_instance_uid) or PriorStudy(
            request=row,
            study_instance_uid=each.study_instance_uid,
            performed_on=each.performed_on,
        )
        if each.disagreements:
            refuse(prior, each.disagreements)
        elif prior.state == PriorState.FETCHED or _is_here(prior):
            compared += 1
        elif series := chest_series(connection.association, each.study_instance_uid):
            _mark(prior, PriorState.WANTED)
            wanted.append((prior, series))
            compared += 1
    return wanted


def _is_here(prior: PriorStudy) -> bool:
    """Whether we have the study, other than from an unfinished attempt to fetch it."""
    if prior.state == PriorState.WANTED:
        return False
    is_here = Study.objects.filter(study_instance_uid=prior.study_instance_uid).exists()
    if is_here:
        _mark(prior, PriorState.PRESENT)
    return is_here


def _mark(prior: PriorStudy, state: PriorState, code: str = "") -> None:
    prior.state, prior.reason_code, prior.reason_params = state, code, {}
    prior.save()


def _record_asked(row: PriorRequest, matches: int, wanted: int) -> None:
    refused = row.found.filter(state=PriorState.REFUSED, reason_code="prior_differs")
    detail = {
        "node": row.node.ae_title,
        "answers": matches,
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
    """Record an incomplete attempt, which is retried later or given up."""
    row.attempts += 1
    row.reason_code = code
    row.next_attempt_at = clock() + timedelta(seconds=pause_seconds(row.attempts))
    row.save(update_fields=["attempts", "reason_code", "next_attempt_at"])
    if clock() - row.requested_at < _GIVE_UP_AFTER:
        return
    for prior in row.found.filter(state=PriorState.WANTED):
        _mark(prior, PriorState.REFUSED, code)
    _settle(row, PriorRequestState.GIVEN_UP, code)
