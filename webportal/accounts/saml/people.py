"""The provider's people, as its assertions describe them, and their sessions here."""

import hashlib
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, transaction
from django.utils import timezone

from webportal.accounts import confirmation, federation, services, sessions
from webportal.accounts.federation import Person, Source
from webportal.accounts.models import FederatedIdentity, UsedLogoutToken, User
from webportal.accounts.saml.provider import (
    Answer,
    LogoutRequest,
    RefusedByProviderError,
    issuer,
)
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

#: The actor in the trail for what the provider causes.
PROVIDER = "identity provider"
_LOGOUT_KEPT = timedelta(hours=1)


def person_of(answer: Answer) -> User:
    """The account of whom an assertion names, with the roles of their groups; uses it up.

    Raises RefusedByProviderError if it was used before, and FederatedRefusal and ValidationError,
    see `federation.account_of`.
    """
    until = datetime.fromtimestamp(answer.until + confirmation.SKEW_SECONDS, UTC)
    _use_once(answer.assertion_id, until)
    attribute = settings.SAML_USERNAME_ATTRIBUTE
    name = _first(answer, attribute) if attribute else answer.subject
    full_name = _first(answer, settings.SAML_FULL_NAME_ATTRIBUTE)
    groups = answer.attributes.get(settings.SAML_GROUPS_ATTRIBUTE, [])
    return federation.account_of(Person(answer.subject, name, full_name, groups), _source())


def begin(session: SessionBase, answer: Answer) -> None:
    """Note that the session was started through the provider; it is not asked again meanwhile.

    Where the provider has not just authenticated the person, but went by a sign-in of before, this
    session may change no second factor: it may be another person at the same browser.
    """
    session[sessions.FEDERATED] = {
        "sub": answer.subject,
        "sid": _sid(answer.session_index) if answer.session_index else "",
        "refresh": "",
        "due": 0,
    }
    confirmation.withdraw_if_old(session, answer.authenticated_at)


def sign_out(asked: LogoutRequest) -> None:
    """End the sessions that the provider names, or all of the person and their API tokens.

    Raises RefusedByProviderError if the request was used before.
    """
    with transaction.atomic():
        _use_once(asked.id, timezone.now() + _LOGOUT_KEPT)
        identity = FederatedIdentity.objects.filter(issuer=issuer(), subject=asked.subject)
        found = identity.select_related("user").first()
        # A user who has never signed in here has no sessions to end.
        if found is None:
            return
        detail: dict[str, object] = {"identity_provider": True}
        if asked.session_indexes:
            for index in asked.session_indexes:
                for user in sessions.end_federated(_sid(index), found.user):
                    append(Event(Action.SIGNED_OUT, "user", user.pk, detail=detail), PROVIDER)
            return
        detail["sessions"] = sessions.end_all(found.user)
        append(Event(Action.SIGNED_OUT, "user", found.user.pk, detail=detail), PROVIDER)
        services.revoke_all_tokens(found.user, PROVIDER)


def _source() -> Source:
    return Source(issuer(), PROVIDER, name_from=settings.SAML_USERNAME_ATTRIBUTE or "NameID")


def _first(answer: Answer, attribute: str) -> str:
    values = answer.attributes.get(attribute, [])
    return values[0] if values else ""


def _sid(index: str) -> str:
    """A session index of whatever length."""
    return hashlib.sha256(index.encode()).hexdigest()


def _use_once(message_id: str, until: datetime) -> None:
    UsedLogoutToken.objects.filter(until__lt=timezone.now()).delete()
    key = "saml:" + hashlib.sha256(f"{issuer()} {message_id}".encode()).hexdigest()
    try:
        with transaction.atomic():
            UsedLogoutToken.objects.create(jti=key, until=until)
    except IntegrityError as error:
        raise RefusedByProviderError("it was used before") from error
