"""Users whom the provider's assertions describe, and their sessions here."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from webportal.accounts import federation, provider_sessions
from webportal.accounts.federation import IdentitySource, Person, RefusedByProviderError
from webportal.accounts.models import User
from webportal.accounts.provider_sessions import PROVIDER
from webportal.accounts.saml.provider import (
    LogoutRequest,
    VerifiedAssertion,
    issuer,
)

_LOGOUT_KEPT = timedelta(hours=1)


def person_of(assertion: VerifiedAssertion) -> User:
    """The account of the assertion's subject, with the roles of their groups.

    An assertion can be used only once: raises RefusedByProviderError the next time. Raises
    FederatedRefusal and ValidationError as `federation.account_of` does.
    """
    _use_once(assertion.assertion_id, assertion.until)
    attribute = settings.SAML_USERNAME_ATTRIBUTE
    name = _first(assertion, attribute) if attribute else assertion.subject
    full_name = _first(assertion, settings.SAML_FULL_NAME_ATTRIBUTE)
    groups = assertion.attributes.get(settings.SAML_GROUPS_ATTRIBUTE, [])
    return federation.account_of(Person(assertion.subject, name, full_name, groups), _source())


def session_data(assertion: VerifiedAssertion) -> dict[str, Any]:
    """What our session keeps about the provider's, which is never refreshed."""
    sid = _sid(assertion.session_index) if assertion.session_index else ""
    longest = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    until = min(assertion.session_until, longest.timestamp())
    return {"sub": assertion.subject, "sid": sid, "refresh": "", "due": 0, "until": until}


def sign_out(asked: LogoutRequest) -> None:
    """End the sessions that the request names; if none, all of the person's, and their API tokens.

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


def _source() -> IdentitySource:
    return IdentitySource(
        issuer(), PROVIDER, name_from=settings.SAML_USERNAME_ATTRIBUTE or "NameID"
    )


def _first(assertion: VerifiedAssertion, attribute: str) -> str:
    values = assertion.attributes.get(attribute, [])
    return values[0] if values else ""


def _sid(index: str) -> str:
    """A session index of any length, as one of fixed length."""
    return hashlib.sha256(index.encode()).hexdigest()


def _use_once(message_id: str, until: datetime) -> None:
    key = "saml:" + hashlib.sha256(f"{issuer()} {message_id}".encode()).hexdigest()
    if not provider_sessions.use_once(key, until):
        raise RefusedByProviderError("it was used before")
