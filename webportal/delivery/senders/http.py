"""Common parts of senders over HTTP: the connection, the token, and responses of proxies."""

from http import HTTPStatus
from typing import Any

import requests
from django.conf import settings

from webportal.accounts.encryption import UnreadableSecretError, decrypt
from webportal.delivery.models import Destination
from webportal.delivery.senders.outcome import (
    NO_ANSWER,
    NOT_REACHED,
    Sender,
    SendOutcome,
    SendResult,
)

_CONNECT_SECONDS = 10
NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
#: Responses of proxies whose server is away, or of unrelated servers.
NOT_A_SERVER = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
)
FOR_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class HttpSender(Sender):
    """Sends requests to a destination's URL over one connection."""

    #: The media type requested.
    accepts: str

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._session = requests.Session()
        # Proxies and credentials from the environment are ignored: they are not for patient data.
        self._session.trust_env = False
        self._session.verify = settings.DELIVERY_CA or True

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def ask(self, method: str, path: str, **more: Any) -> requests.Response | SendOutcome:
        """Send a request to a path below the URL; an Outcome if there is no response."""
        headers = {"Accept": self.accepts} | more.pop("headers", {})
        try:
            if self.destination.secret:
                headers["Authorization"] = f"Bearer {decrypt(self.destination.secret)}"
            return self._session.request(
                method,
                f"{self.destination.url.rstrip('/')}/{path}".rstrip("/"),
                headers=headers,
                timeout=(_CONNECT_SECONDS, settings.DELIVERY_ANSWER_SECONDS),
                allow_redirects=False,
                **more,
            )
        except UnreadableSecretError:
            return SendOutcome(SendResult.AWAY, "token_unreadable")
        except (requests.ConnectTimeout, requests.exceptions.SSLError):
            return NOT_REACHED
        except requests.ConnectionError as error:
            # It is not always known whether anything was sent before the connection ended.
            return NO_ANSWER if "aborted" in str(error) else NOT_REACHED
        except requests.RequestException:
            return NO_ANSWER


def not_allowed(answer: requests.Response) -> SendOutcome:
    """The destination does not accept the token."""
    return SendOutcome(SendResult.AWAY, "not_allowed", {"answer": status_of(answer)})


def not_a_server(answer: requests.Response) -> SendOutcome:
    """The response comes from a proxy, or from an unrelated server."""
    return SendOutcome(SendResult.AWAY, "not_a_server", {"answer": status_of(answer)})


def status_of(answer: requests.Response) -> str:
    """The status as shown: without the reason phrase, which may contain anything."""
    return f"HTTP {answer.status_code}"


def objects_in(values: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; none if it is not a list."""
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def json_of(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of a response; empty if it is not one."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
