"""The provider's people, as its assertions describe them, and their sessions here."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from webportal.accounts import federation, provider_sessions
from webportal.accounts.federation import Person, Source
from webportal.accounts.models import User
from webportal.accounts.provider_sessions import PROVIDER
from webportal.accounts.saml.provider import (
    Answer,
    LogoutRequest,
    RefusedByProviderError,
    issuer,
)

_LOGOUT_KEPT = timedelta(hours=1)


def person_of(answer: Answer) -> User:
    """The account of whom an assertion names, with the roles of their groups; uses it up.

    Raises RefusedByProviderError if it was used before, and FederatedRefusal and ValidationError,
    see `federation.account_of`.
    """
    _use_once(answer.assertion_id, answer.until)
    attribute = settings.SAML_USERNAME_ATTRIBUTE
    name = _first(answer, attribute) if attribute else answer.subject
    full_name = _first(answer, settings.SAML_FULL_NAME_ATTRIBUTE)
    groups = answer.attributes.get(settings.SAML_GROUPS_ATTRIBUTE, [])
    return federation.account_of(Person(answer.subject, name, full_name, groups), _source())


def session_data(answer: Answer) -> dict[str, Any]:
    """What a session here keeps about the one at the provider, which is not asked again."""
    sid = _sid(answer.session_index) if answer.session_index else ""
    return {"sub": answer.subject, "sid": sid, "refresh": "", "due": 0}


def sign_out(asked: LogoutRequest) -> None:
    """End the sessions that the provider names, or all of the person and their API tokens.

    Raises RefusedByProviderError if the request was used before.
    """
    with transaction.atomic():
        _use_once(asked.id, timezone.now() + _LOGOUT_KEPT)
        owner = provider_sessions.owner_of(issuer(), asked.subject)
        # A user who has never signed in here has no sessions to end.
        if owner is None:
            return
        for index in asked.session_indexes:
            provider_sessions.end(_sid(index), owner)
        if not asked.session_indexes:
            provider_sessions.end_all(owner)


def _source() -> Source:
    return Source(issuer(), PROVIDER, name_from=settings.SAML_USERNAME_ATTRIBUTE or "NameID")


def _first(answer: Answer, attribute: str) -> str:
    values = answer.attributes.get(attribute, [])
    return values[0] if values else ""


def _sid(index: str) -> str:
    """A session index of whatever length."""
    return hashlib.sha256(index.encode()).hexdigest()


def _use_once(message_id: str, until: datetime) -> None:
    key = "saml:" + hashlib.sha256(f"{issuer()} {message_id}".encode()).hexdigest()
    if not provider_sessions.use_once(key, until):
        raise RefusedByProviderError("it was used before")
