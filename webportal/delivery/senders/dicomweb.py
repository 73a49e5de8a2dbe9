"""STOW-RS (PS3.18 10.5) to a DICOMweb server."""

import uuid
from http import HTTPStatus
from typing import Any

import requests
from django.conf import settings

from webportal.accounts.encryption import UnreadableSecretError, decrypt
from webportal.delivery.models import Delivery, Destination
from webportal.delivery.senders.outcome import (
    NO_ANSWER,
    NOT_REACHED,
    Outcome,
    Result,
    Sender,
    busy,
    delivered,
    rejected,
)

_CONNECT_SECONDS = 10
_JSON = "application/dicom+json"
_NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
# As proxies answer while the server behind them is away, or servers of something else.
_NOT_A_SERVER = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
)
_FOR_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
# Tags of the response to a store transaction (PS3.18 I.2).
_REFERENCED, _FAILED = "00081199", "00081198"
_INSTANCE, _REASON = "00081155", "00081197"


class StowSender(Sender):
    """Sends each document in a separate request."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._session = requests.Session()
        # Ignore proxies and credentials from the environment: they are not meant for patient data.
        self._session.trust_env = False
        self._session.verify = settings.DELIVERY_CA or True

    def send(self, delivery: Delivery) -> Outcome:
        """Store one instance; if the outcome is uncertain, check whether it has been stored."""
        document = delivery.document
        boundary = uuid.uuid4().hex
        body = (
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            + bytes(document.content or b"")
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self._ask("POST", "studies", data=body, headers={"Content-Type": kind})
        if isinstance(answer, Outcome):
            return answer if answer.result == Result.AWAY else self._looked(delivery, answer)
        outcome = _outcome(answer, document.sop_instance_uid)
        return outcome or self._looked(delivery, _uncertain(answer))

    def test(self) -> Outcome:
        """Search for one study and ignore the result."""
        answer = self._ask("GET", "studies", params={"limit": "1"})
        if isinstance(answer, Outcome):
            return answer
        if answer.status_code in _NOT_ALLOWED:
            return _not_allowed(answer)
        return delivered() if answer.status_code < 300 else _not_a_server(answer)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _looked(self, delivery: Delivery, otherwise: Outcome) -> Outcome:
        """Look for the instance; return `otherwise` if it is not found."""
        document = delivery.document
        place = f"studies/{document.study.study_instance_uid}/instances"
        params = {"SOPInstanceUID": document.sop_instance_uid}
        answer = self._ask("GET", place, params=params)
        if isinstance(answer, Outcome) or answer.status_code != HTTPStatus.OK:
            return otherwise
        return delivered("found") if document.sop_instance_uid in answer.text else otherwise

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response | Outcome:
        headers = {"Accept": _JSON} | more.pop("headers", {})
        try:
            if self.destination.secret:
                headers["Authorization"] = f"Bearer {decrypt(self.destination.secret)}"
            return self._session.request(
                method,
                f"{self.destination.url.rstrip('/')}/{path}",
                headers=headers,
                timeout=(_CONNECT_SECONDS, settings.DELIVERY_ANSWER_SECONDS),
                allow_redirects=False,
                **more,
            )
        except UnreadableSecretError:
            return Outcome(Result.AWAY, "token_unreadable")
        except (requests.ConnectTimeout, requests.exceptions.SSLError):
            return NOT_REACHED
        except requests.ConnectionError as error:
            # It is not always known whether anything was sent before the connection ended.
            return NO_ANSWER if "aborted" in str(error) else NOT_REACHED
        except requests.RequestException:
            return NO_ANSWER


def _outcome(answer: requests.Response, instance: str) -> Outcome | None:
    """The outcome for a store response; None if it does not tell."""
    status = answer.status_code
    if status in _NOT_ALLOWED:
        return _not_allowed(answer)
    if 300 <= status < 400 or status in _NOT_A_SERVER:
        return _not_a_server(answer)
    body = _json(answer)
    if reason := _failure(body, instance):
        # PS3.18 I.2 refers to PS3.7 C; a duplicate has been stored before.
        return delivered(reason) if reason == "0x0111" else rejected(reason)
    if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        named = [_value(item, _INSTANCE) for item in _items(body, _REFERENCED)]
        return delivered() if instance in named else None
    if status == HTTPStatus.CONFLICT or status in _FOR_NOW or status >= 500:
        return None
    return rejected(_status_of(answer))


def _uncertain(answer: requests.Response) -> Outcome:
    """The outcome of an uncertain transaction if the instance cannot be found."""
    if answer.status_code == HTTPStatus.OK:
        return delivered(_status_of(answer))
    if answer.status_code == HTTPStatus.CONFLICT:
        return rejected(_status_of(answer))
    return busy(_status_of(answer))


def _not_allowed(answer: requests.Response) -> Outcome:
    return Outcome(Result.AWAY, "not_allowed", {"answer": _status_of(answer)})


def _not_a_server(answer: requests.Response) -> Outcome:
    return Outcome(Result.AWAY, "not_a_server", {"answer": _status_of(answer)})


def _status_of(answer: requests.Response) -> str:
    # Not the reason phrase, which the server may word as it likes.
    return f"HTTP {answer.status_code}"


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _items(body: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = body.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _value(item: dict[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _failure(body: dict[str, Any], instance: str) -> str:
    """The instance's failure reason, a PS3.7 code; '' if it is not among the failed ones."""
    for item in _items(body, _FAILED):
        if _value(item, _INSTANCE) in (instance, None):
            reason = _value(item, _REASON)
            return f"0x{reason:04X}" if isinstance(reason, int) else "?"
    return ""
