"""STOW-RS (PS3.18 10.5) to a DICOMweb server."""

import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import requests

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
    Confirmation,
    SendOutcome,
    SendResult,
    busy,
    delivered,
    rejected,
)

# Tags of the response to a store transaction (PS3.18 I.2).
_REFERENCED, _FAILED = "00081199", "00081198"
_INSTANCE, _REASON = "00081155", "00081197"


class StowSender(HttpSender):
    """Sends each document in a separate request."""

    accepts = "application/dicom+json"

    def send(self, delivery: Delivery) -> SendOutcome:
        """Store one instance; if the outcome is uncertain, check whether it has been stored."""
        document = delivery.document
        boundary = uuid.uuid4().hex
        body = (
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            + bytes(document.content or b"")
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self.ask("POST", "studies", data=body, headers={"Content-Type": kind})
        if isinstance(answer, SendOutcome):
            return answer if answer.result == SendResult.AWAY else self._looked(delivery, answer)
        outcome = _outcome(answer, document.sop_instance_uid)
        return outcome or self._looked(delivery, _uncertain(answer))

    def test(self) -> SendOutcome:
        """Search for one study and ignore the result."""
        answer = self.ask("GET", "studies", params={"limit": "1"})
        if isinstance(answer, SendOutcome):
            return answer
        if answer.status_code in NOT_ALLOWED:
            return not_allowed(answer)
        return delivered() if answer.status_code < 300 else not_a_server(answer)

    def confirm(self, deliveries: Sequence[Delivery]) -> Confirmation | SendOutcome:
        """Look for each instance by QIDO-RS."""
        present: set[str] = set()
        missing: dict[str, str] = {}
        for delivery in deliveries:
            answer = self._look(delivery)
            if isinstance(answer, SendOutcome):
                return answer
            instance = delivery.document.sop_instance_uid
            if answer.status_code == HTTPStatus.OK and instance in answer.text:
                present.add(instance)
            elif self._says_missing(answer):
                missing[instance] = status_of(answer)
        return Confirmation(frozenset(present), missing)

    def _look(self, delivery: Delivery) -> requests.Response | SendOutcome:
        document = delivery.document
        place = f"studies/{document.study.study_instance_uid}/instances"
        return self.ask("GET", place, params={"SOPInstanceUID": document.sop_instance_uid})

    def _says_missing(self, answer: requests.Response) -> bool:
        """Whether a search without the instance in its result means that it is missing.

        Some servers respond 404 for a study that they do not have, but so do proxies.
        """
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return self.test().result == SendResult.DELIVERED
        return answer.status_code in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

    def _looked(self, delivery: Delivery, otherwise: SendOutcome) -> SendOutcome:
        """Look for the instance; return `otherwise` if it is not found."""
        document = delivery.document
        answer = self._look(delivery)
        if isinstance(answer, SendOutcome) or answer.status_code != HTTPStatus.OK:
            return otherwise
        return delivered("found") if document.sop_instance_uid in answer.text else otherwise


def _outcome(answer: requests.Response, instance: str) -> SendOutcome | None:
    """The outcome for a store response; None if it is inconclusive."""
    status = answer.status_code
    if status in NOT_ALLOWED:
        return not_allowed(answer)
    if 300 <= status < 400 or status in NOT_A_SERVER:
        return not_a_server(answer)
    body = json_of(answer)
    if reason := _failure(body, instance):
        # PS3.18 I.2 refers to PS3.7 C; a duplicate has been stored before.
        return delivered(reason) if reason == "0x0111" else rejected(reason)
    if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        named = [_value(item, _INSTANCE) for item in _items(body, _REFERENCED)]
        return delivered() if instance in named else None
    if status == HTTPStatus.CONFLICT or status in FOR_NOW or status >= 500:
        return None
    return rejected(status_of(answer))


def _uncertain(answer: requests.Response) -> SendOutcome:
    """The outcome of an uncertain transaction if the instance cannot be found."""
    if answer.status_code == HTTPStatus.OK:
        return delivered(status_of(answer))
    if answer.status_code == HTTPStatus.CONFLICT:
        return rejected(status_of(answer))
    return busy(status_of(answer))


def _items(body: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return objects_in(_values(body, tag))


def _value(item: dict[str, Any], tag: str) -> Any:
    values = _values(item, tag)
    return values[0] if values else None


def _values(item: dict[str, Any], tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _failure(body: dict[str, Any], instance: str) -> str:
    """The instance's failure reason, a PS3.7 code; '' if it is not among the failed ones."""
    for item in _items(body, _FAILED):
        if _value(item, _INSTANCE) in (instance, None):
            reason = _value(item, _REASON)
            return f"0x{reason:04X}" if isinstance(reason, int) else "?"
    return ""
