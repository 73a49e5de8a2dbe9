"""The middleware that logs what each response shows, before it is sent.

A response that cannot be logged is not sent, so everybody who was shown a patient is in the log.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase

from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.access.repeats import Repeats
from webportal.access.routes import declaration_of
from webportal.access.routes.declarations import OF_PATIENTS, Declaration, UndeclaredError
from webportal.access.shown import Shown
from webportal.client_address import network_of
from webportal.database.rows import insert
from webportal.minute_counter import MinuteCounter
from webportal.origin import answering, origin_of

UNKNOWN = "unknown"
GIVEN = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
# Refusals recorded for each network, of clients that are not signed in.
ENTRIES_A_MINUTE = 60
LONGEST_METHOD = 10
LONGEST_VALUE = 200
MOST_VALUES = 30
# The key of search terms in the session; the view reports the terms themselves.
OPAQUE = ("search",)

_repeats = Repeats()
_refusals = MinuteCounter()

Answer = Callable[[HttpRequest], HttpResponseBase]


def record_access(get_response: Answer) -> Answer:
    """Log each response that shows a patient, or data read by IT and auditors, and each refusal."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        shown = request.shown = Shown()  # type: ignore[attr-defined]
        with answering(request):
            response = get_response(request)
            try:
                _record(request, response, shown)
            except BaseException:
                # The closed response is not sent; an error response replaces it.
                response.close()
                raise
        return response

    return middleware


def _record(request: HttpRequest, response: HttpResponseBase, shown: Shown) -> None:
    match = request.resolver_match
    if match is None:
        return
    declared = declaration_of(match.view_name)
    status = response.status_code
    kind = declared.kind if declared else AccessKind.OTHER
    if shown.tried:
        _record_failure(request, response, shown, AccessKind.SIGN_IN, AccessOutcome.FAILED)
    elif status == HTTPStatus.UNAUTHORIZED and "Authorization" in request.headers:
        _record_failure(request, response, shown, AccessKind.TOKEN, AccessOutcome.FAILED)
    elif status == HTTPStatus.FORBIDDEN:
        _record_failure(request, response, shown, kind, AccessOutcome.REFUSED)
    else:
        if status in GIVEN and declared is not None:
            _require_declaration(match.view_name, declared, shown)
        if _is_to_be_recorded(request, status, declared, shown):
            entry = _entry(request, response, shown, kind, AccessOutcome.DONE)
            if declared is not None and declared.polled:
                _save_new(entry, is_repeated="HX-Request" in request.headers)
            else:
                _save(entry)


def _record_failure(
    request: HttpRequest,
    response: HttpResponseBase,
    shown: Shown,
    kind: AccessKind,
    outcome: AccessOutcome,
) -> None:
    entry = _entry(request, response, shown, kind, outcome)
    if entry.user_id is None:
        count = _refusals.count(network_of(entry.address))
        if count > ENTRIES_A_MINUTE:
            return
        if count == ENTRIES_A_MINUTE:
            entry.criteria |= {"more_this_minute": "not recorded"}
    _save(entry)


def _require_declaration(route: str, declared: Declaration, shown: Shown) -> None:
    if declared.always and declared.kind in OF_PATIENTS and not shown.is_reported:
        raise UndeclaredError(
            f"The answer of {route} does not say whom it shows: call webportal.access.shown.show"
            " in its view, with all that it shows."
        )


def _is_to_be_recorded(
    request: HttpRequest, status: int, declared: Declaration | None, shown: Shown
) -> bool:
    if shown.names_somebody:
        return status < HTTPStatus.INTERNAL_SERVER_ERROR
    if declared is None or status not in GIVEN:
        return False
    is_read = request.method in ("GET", "HEAD") and declared.always
    return shown.is_reported or (is_read and declared.kind not in OF_PATIENTS)


def _save(entry: AccessEntry) -> None:
    insert([entry], filled_in=("id", "at"))


def _save_new(entry: AccessEntry, *, is_repeated: bool) -> None:
    """Log a polling page: of repeated responses, only what is new."""
    place = (f"{entry.user_id} {entry.session or entry.token}", entry.route)
    # None stands for the page itself, which may show no patient.
    shown = [None, *entry.study_ids, *entry.patient_ids, *entry.file_ids]
    if is_repeated:
        new = _repeats.new_of(place, shown)
        if not new:
            return
        for name in ("study_ids", "patient_ids", "file_ids"):
            setattr(entry, name, [each for each in getattr(entry, name) if each in new])
    _save(entry)
    _repeats.remember(place, shown)


def _entry(
    request: HttpRequest,
    response: HttpResponseBase,
    shown: Shown,
    kind: AccessKind,
    outcome: AccessOutcome,
) -> AccessEntry:
    origin = origin_of(request)
    match = request.resolver_match
    user: Any = getattr(request, "user", None)
    is_known = user is not None and user.is_authenticated
    return AccessEntry(
        kind=kind,
        outcome=outcome,
        user_id=user.pk if is_known else None,
        user=user.username if is_known else shown.tried or UNKNOWN,
        roles=_roles_in_use(request, user) if is_known else [],
        address=origin.address,
        device=origin.device,
        session=origin.session if is_known else "",
        token=origin.token,
        method=(request.method or "")[:LONGEST_METHOD],
        route=match.view_name if match else "",
        status=response.status_code,
        target=_target(match.kwargs if match else {}),
        study_ids=list(shown.studies),
        patient_ids=list(shown.patients),
        file_ids=list(shown.files),
        criteria=_criteria(request) | _as_stored(shown.criteria),
    )


def _roles_in_use(request: HttpRequest, user: Any) -> list[str]:
    """The user's roles that grant access to this route; all of their roles if none does."""
    match = request.resolver_match
    view: Any = match.func if match else None
    allowed = getattr(view, "allowed_roles", None)
    if allowed is None:
        action = getattr(view, "actions", {}).get((request.method or "").lower())
        allowed = getattr(getattr(view, "cls", None), "roles", {}).get(action, ())
    return [role for role in user.roles if role in allowed] or list(user.roles)


def _target(kwargs: dict[str, Any]) -> UUID | None:
    return next((value for value in kwargs.values() if isinstance(value, UUID)), None)


def _criteria(request: HttpRequest) -> dict[str, Any]:
    """The filters in the query string."""
    given = {name: value for name, value in request.GET.items() if value and name not in OPAQUE}
    return _as_stored(dict(list(given.items())[:MOST_VALUES]))


def _as_stored(criteria: dict[str, Any]) -> dict[str, Any]:
    """The value truncated to the stored length, without characters that PostgreSQL rejects."""
    return {
        name.replace("\0", "")[:LONGEST_VALUE]: str(value).replace("\0", "")[:LONGEST_VALUE]
        for name, value in criteria.items()
    }
