"""Sending entries to a FHIR server as AuditEvents, one request each (IHE ITI-20, FHIR feed).

An entry has arrived once the server has confirmed storing it. Otherwise it is sent again.
"""

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter

from webportal.audit.models import AuditEntry
from webportal.auditexport.audit_event import audit_event
from webportal.auditexport.bounded import bounded_context
from webportal.auditexport.content import Records
from webportal.backoff import asked_seconds

BATCH = 200
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
#: After so many refusals in a row the server is considered at fault, not the entries.
MOST_REFUSED = 5
_MEDIA_TYPE = "application/fhir+json"
_STORED = (HTTPStatus.OK, HTTPStatus.CREATED)
# Statuses that may be due to the entry; others concern the server, the address or the token.
_ABOUT_CONTENT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
# Statuses that are never about the entry: access, the address, or load.
_ABOUT_ACCESS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class EntryRefusedError(OSError):
    """The server did not store an entry; it may have asked to wait some seconds (Retry-After)."""

    def __init__(self, entry: AuditEntry, answer: requests.Response) -> None:
        self.sequence, self.action = entry.sequence, entry.action
        # Neither body nor reason phrase is kept: the server may put anything into them.
        self.said = f"HTTP {answer.status_code}"
        super().__init__(f"entry {entry.sequence}: {self.said}")
        self.may_be_the_entry = answer.status_code in _ABOUT_CONTENT
        self.can_be_left_out = answer.status_code not in _ABOUT_ACCESS
        self.wait_seconds = asked_seconds(answer.headers.get("Retry-After", ""))


def send(position: int, until: float) -> Iterator[tuple[int, list[EntryRefusedError]]]:
    """Send the entries after a position until a monotonic time, then for ANSWER_SECONDS at most.

    Yields each position reached, with the refusals of entries before it: because the server
    accepted a later one, these entries themselves are at fault. Raises OSError if the server
    cannot be reached, or stores neither an entry nor one of those after it.
    """
    refused: list[EntryRefusedError] = []
    with session(until + ANSWER_SECONDS) as open_session:
        while time.monotonic() < until:
            entries = list(
                AuditEntry.objects.filter(sequence__gt=position).order_by("sequence")[:BATCH]
            )
            records = Records(entries)
            for entry in entries:
                position = entry.sequence
                try:
                    send_one(open_session, entry, records)
                except EntryRefusedError as error:
                    if not error.may_be_the_entry or len(refused) == MOST_REFUSED:
                        raise (refused or [error])[0] from None
                    refused.append(error)
                    continue
                yield position, refused
                refused = []
                if time.monotonic() >= until:
                    return
            if len(entries) < BATCH:
                break
    if refused:
        raise refused[0]


def send_one(open_session: requests.Session, entry: AuditEntry, records: Records) -> None:
    """Send an entry. Raises OSError, of which EntryRefusedError is one, unless it is stored."""
    answer = _post(open_session, audit_event(entry, records))
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        answer = _post(open_session, audit_event(entry, records, with_details=False))
    if answer.status_code not in _STORED:
        raise EntryRefusedError(entry, answer)


def _post(open_session: requests.Session, content: bytes) -> requests.Response:
    return open_session.post(
        f"{settings.AUDIT_EXPORT_FHIR.rstrip('/')}/AuditEvent",
        data=content,
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        allow_redirects=False,
    )


class _Adapter(HTTPAdapter):
    """Connections with a deadline."""

    def __init__(self, ends_at: float) -> None:
        self._context = bounded_context(ends_at)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def session(ends_at: float) -> requests.Session:
    """A session with the server whose requests all end by a monotonic time."""
    made = requests.Session()
    made.mount("https://", _Adapter(ends_at))
    # Proxies and credentials from the environment are ignored: they are not meant for the trail.
    made.trust_env = False
    made.verify = settings.AUDIT_EXPORT_CA or True
    if settings.AUDIT_EXPORT_CERTIFICATE:
        key = settings.AUDIT_EXPORT_KEY
        certificate = settings.AUDIT_EXPORT_CERTIFICATE
        made.cert = (certificate, key) if key else certificate
    made.headers["Accept"] = _MEDIA_TYPE
    made.headers["Content-Type"] = f"{_MEDIA_TYPE}; charset=utf-8"
    made.headers["Prefer"] = "return=minimal"
    if settings.AUDIT_EXPORT_FHIR_TOKEN:
        made.headers["Authorization"] = f"Bearer {settings.AUDIT_EXPORT_FHIR_TOKEN}"
    return made
