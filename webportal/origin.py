"""The origin of the request being answered, for records of it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest

from webportal.client_address import client_address

LONGEST_DEVICE = 200
LONGEST_TOKEN = 120
_SESSION_DIGITS = 16

_answered: ContextVar[HttpRequest | None] = ContextVar("answered", default=None)


@dataclass(frozen=True)
class Origin:
    """The client's address and user agent, and the session or API token used.

    `session` is the beginning of the SHA-256 of the session key, `token` the token's prefix and
    name; '' if there is none.
    """

    address: str
    device: str = ""
    session: str = ""
    token: str = ""

    def as_json(self) -> dict[str, str]:
        """The known values."""
        return {name: value for name, value in vars(self).items() if value}


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """Within this block, the thread works for the request."""
    token = _answered.set(request)
    try:
        yield
    finally:
        _answered.reset(token)


def current_origin() -> Origin | None:
    """The origin of the request that this thread is answering; None outside of requests."""
    request = _answered.get()
    return origin_of(request) if request is not None else None


def origin_of(request: HttpRequest) -> Origin:
    """The origin of a request, as far as known so far."""
    return Origin(
        client_address(request), device_of(request), _session_of(request), _token_of(request)
    )


def device_of(request: HttpRequest) -> str:
    """The user agent, truncated to the stored length, without characters PostgreSQL rejects."""
    return request.headers.get("User-Agent", "").replace("\0", "")[:LONGEST_DEVICE]


def _session_of(request: HttpRequest) -> str:
    session = getattr(request, "session", None)
    # A client with a token has no session, whatever cookie it sends.
    key = session.session_key if session is not None and not _token_of(request) else None
    return hashlib.sha256(key.encode()).hexdigest()[:_SESSION_DIGITS] if key else ""


def _token_of(request: HttpRequest) -> str:
    token = getattr(request, "auth", None)
    key = getattr(token, "token_key", "")
    return f"{key} {getattr(token, 'name', '')}".strip()[:LONGEST_TOKEN] if key else ""
