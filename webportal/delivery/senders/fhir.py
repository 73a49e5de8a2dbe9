"""Transactions to a FHIR R4 server."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests

from webportal.backoff import asked_seconds
from webportal.delivery.documents.fhir.transactions import (
    RESOURCES,
    is_stored,
    place_of_last,
)
from webportal.delivery.models import Delivery
from webportal.delivery.senders.http import (
    FOR_NOW,
    NOT_A_SERVER,
    NOT_ALLOWED,
    HttpSender,
    json_of,
    not_a_server,
    not_allowed,
    objects_in,
    status_of,
)
from webportal.delivery.senders.outcome import (
    SendOutcome,
    SendResult,
    busy,
    delivered,
    doubtful,
    rejected,
)

#: The FHIR version that the server must have.
VERSION = "4.0."
#: The server as a whole is busy, and may say for how long.
OVERLOADED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
#: Perhaps only temporary, such as another client changing the same resource.
DOUBTFUL = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
# The codes of issues (http://hl7.org/fhir/R4/valueset-issue-type.html). Others may be any text.
_ISSUES = frozenset([
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown",
    "expired", "forbidden", "suppressed", "processing", "not-supported", "duplicate",
    "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension",
    "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store", "exception",
    "timeout", "incomplete", "throttled", "informational",
])  # fmt: skip
_ERRORS = ("fatal", "error")
# The path to an element, without conditions that could quote its value.
_PATH = re.compile(r"[A-Za-z]+(\[\d+\])?(\.[A-Za-z]+(\([A-Za-z]+\))?(\[\d+\])?)*")
_MOST_ISSUES = 3


class FhirSender(HttpSender):
    """Sends each document as one transaction."""

    accepts = "application/fhir+json"

    def send(self, delivery: Delivery) -> SendOutcome:
        """Send a transaction; before a repetition, check whether the server has it already."""
        content = bytes(delivery.document.content or b"")
        if delivery.attempts > 1:
            looked = self._look(content)
            if looked is not None:
                return looked
        headers = {"Content-Type": f"{self.accepts}; charset=utf-8", "Prefer": "return=minimal"}
        answer = self.ask("POST", "", data=content, headers=headers)
        return answer if isinstance(answer, SendOutcome) else outcome_of(answer)

    def test(self) -> SendOutcome:
        """Read the server's CapabilityStatement."""
        answer = self.ask("GET", "metadata")
        if isinstance(answer, SendOutcome):
            return answer
        if answer.status_code in NOT_ALLOWED:
            return not_allowed(answer)
        statement = json_of(answer)
        if statement.get("resourceType") != "CapabilityStatement":
            return not_a_server(answer)
        version = str(statement.get("fhirVersion", ""))
        if not version.startswith(VERSION):
            known = version if re.fullmatch(r"[\w.-]{1,20}", version) else "?"
            return SendOutcome(SendResult.AWAY, "fhir_version", {"answer": known})
        lacks = list(_lacks(statement))
        if lacks:
            return SendOutcome(SendResult.AWAY, "fhir_lacks", {"what": ", ".join(lacks)})
        return delivered()

    def _look(self, content: bytes) -> SendOutcome | None:
        """Delivered if the server has it, None if not, or the reason if the server cannot tell."""
        answer = self.ask("GET", place_of_last(content))
        if isinstance(answer, SendOutcome):
            return answer
        if answer.status_code == HTTPStatus.OK and is_stored(content, json_of(answer)):
            return delivered("found")
        return None


def outcome_of(answer: requests.Response) -> SendOutcome:
    """The outcome for the response to a transaction."""
    status = answer.status_code
    if status in NOT_ALLOWED:
        return not_allowed(answer)
    if status in OVERLOADED:
        said = status_of(answer)
        seconds = asked_seconds(answer.headers.get("Retry-After", ""))
        return SendOutcome(SendResult.AWAY, "busy", {"answer": said}, said, wait_seconds=seconds)
    body = json_of(answer)
    if status in (HTTPStatus.OK, HTTPStatus.CREATED):
        return _of_entries(body) if body.get("resourceType") == "Bundle" else not_a_server(answer)
    said = ", ".join([status_of(answer), *_issues(body)])
    if status in FOR_NOW or status >= 500:
        return busy(said)
    is_of_server = body.get("resourceType") == "OperationOutcome"
    if status < 400 or (status in NOT_A_SERVER and not is_of_server):
        return not_a_server(answer)
    is_sure = is_of_server and status not in (*DOUBTFUL, *NOT_A_SERVER)
    return rejected(said) if is_sure else doubtful(said)


def _of_entries(bundle: dict[str, Any]) -> SendOutcome:
    """The outcome of the entries: a server that treats it as a batch responds 200 in any case."""
    for entry in objects_in(bundle.get("entry")):
        response = entry.get("response")
        response = response if isinstance(response, dict) else {}
        status = str(response.get("status", ""))[:3]
        if status.startswith("2"):
            continue
        known = status if status.isdigit() else "?"
        outcome = response.get("outcome")
        said = ", ".join([f"HTTP {known}", *_issues(outcome if isinstance(outcome, dict) else {})])
        return doubtful(said)
    return delivered()


def _issues(body: dict[str, Any]) -> list[str]:
    """The codes of the errors in an OperationOutcome, each with its element.

    Without their texts, which often name the patient.
    """
    found: dict[str, None] = {}
    for issue in objects_in(body.get("issue")):
        code = issue.get("code")
        if issue.get("severity") not in _ERRORS or code not in _ISSUES:
            continue
        paths = issue.get("expression")
        path = paths[0] if isinstance(paths, list) and paths else ""
        is_plain = isinstance(path, str) and len(path) <= 100 and _PATH.fullmatch(path)
        found[f"{code} at {path}" if is_plain else str(code)] = None
    return list(found)[:_MOST_ISSUES]


def _lacks(statement: dict[str, Any]) -> Iterator[str]:
    """Required capabilities that a server states it lacks; nothing if it makes no statement."""
    for rest in objects_in(statement.get("rest")):
        offered = [each.get("code") for each in objects_in(rest.get("interaction"))]
        if offered and "transaction" not in offered:
            yield "transaction"
        resources = {str(each.get("type")): each for each in objects_in(rest.get("resource"))}
        for name in RESOURCES if resources else ():
            if name not in resources:
                yield name
            elif resources[name].get("updateCreate") is False:
                yield f"updateCreate ({name})"
