"""Sending entries to a FHIR server as AuditEvents, one request each (IHE ITI-20, FHIR feed).

An entry has arrived once the server has said that it stored it. What it did not say is sent again.
"""

import time
from collections.abc import Iterator
from http import HTTPStatus

import requests
from django.conf import settings

from webportal.audit.models import AuditEntry
from webportal.auditexport.audit_event import audit_event
from webportal.auditexport.content import Records
from webportal.backoff import asked_seconds

BATCH = 200
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
_MEDIA_TYPE = "application/fhir+json"
_STORED = (HTTPStatus.OK, HTTPStatus.CREATED)


class EntryRefusedError(OSError):
    """The server did not store an entry; it may say after how many seconds to return."""

    def __init__(self, sequence: int, answer: requests.Response) -> None:
        # Neither body nor reason phrase, which the server may word as it likes.
        super().__init__(f"entry {sequence}: HTTP {answer.status_code}")
        self.wait_seconds = asked_seconds(answer.headers.get("Retry-After", ""))


def send(position: int, until: float) -> Iterator[int]:
    """Send what follows a position until a monotonic time; yields each position that is reached.

    Raises OSError if the server is not reached or does not store an entry.
    """
    with _session() as session:
        while time.monotonic() < until:
            entries = list(
                AuditEntry.objects.filter(sequence__gt=position).order_by("sequence")[:BATCH]
            )
            records = Records(entries)
            for entry in entries:
                _send(session, entry, records)
                position = entry.sequence
                yield position
                if time.monotonic() >= until:
                    return
            if len(entries) < BATCH:
                return


def _send(session: requests.Session, entry: AuditEntry, records: Records) -> None:
    answer = _post(session, audit_event(entry, records))
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        answer = _post(session, audit_event(entry, records, with_details=False))
    if answer.status_code not in _STORED:
        raise EntryRefusedError(entry.sequence, answer)


def _post(session: requests.Session, content: bytes) -> requests.Response:
    return session.post(
        f"{settings.AUDIT_EXPORT_FHIR.rstrip('/')}/AuditEvent",
        data=content,
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        allow_redirects=False,
    )


def _session() -> requests.Session:
    session = requests.Session()
    # Ignore proxies and credentials from the environment: they are not meant for the trail.
    session.trust_env = False
    session.verify = settings.AUDIT_EXPORT_CA or True
    if settings.AUDIT_EXPORT_CERTIFICATE:
        key = settings.AUDIT_EXPORT_KEY
        certificate = settings.AUDIT_EXPORT_CERTIFICATE
        session.cert = (certificate, key) if key else certificate
    session.headers["Accept"] = _MEDIA_TYPE
    session.headers["Content-Type"] = f"{_MEDIA_TYPE}; charset=utf-8"
    session.headers["Prefer"] = "return=minimal"
    if settings.AUDIT_EXPORT_FHIR_TOKEN:
        session.headers["Authorization"] = f"Bearer {settings.AUDIT_EXPORT_FHIR_TOKEN}"
    return session
