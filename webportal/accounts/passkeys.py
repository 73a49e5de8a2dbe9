"""Passkeys (WebAuthn), created and used by the browser for this portal's host name only.

The browser's signature is bound to a challenge kept in the session, valid once, for a few minutes
and for one purpose: a response that unlocks a session signs no read.
"""

import ipaddress
import time
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from webportal.accounts.models import Passkey, Session, User
from webportal.accounts.sessions import SessionStore
from webportal.refusals import Conflict

SESSION_KEY = "passkey_challenges"
GOOD_FOR_SECONDS = 300
# Each tab has its own; beyond this number the oldest is dropped.
MOST_CHALLENGES = 8
MOST_PASSKEYS = 10


class PasskeyError(Conflict):
    """The browser's response is not accepted; the message says what to do."""

    code = "passkey_refused"


def why_unavailable(request: HttpRequest) -> str:
    """Why passkeys are unavailable at this address, in words; '' if they are available.

    Browsers create them for host names only, and only over HTTPS or on localhost.
    """
    host = _host(request)
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        if request.is_secure() or host == "localhost":
            return ""
        return _("Passkeys need HTTPS, and this page was opened without it. Ask hospital IT.")
    return _(
        "Passkeys need a host name, and this page was opened by the IP address {address}. Open it"
        " by its name, on this machine as localhost."
    ).format(address=host)


def has_passkey(request: HttpRequest, user: User) -> bool:
    """Whether this user has a passkey for this address."""
    return user.passkeys.filter(domain=_host(request)).exists()


def begin_making(request: HttpRequest, user: User) -> dict[str, Any]:
    """The options for the browser to create a passkey for this user."""
    _refuse_unavailable(request)
    credentials = [_credential(passkey) for passkey in user.passkeys.all()]
    if len(credentials) >= MOST_PASSKEYS:
        raise PasskeyError(_("You already have ten passkeys, the maximum. Remove one first."))
    options, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(id=user.pk.bytes, name=user.username, display_name=str(user)),
        credentials,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(request, "make", state)
    return dict(options)


def finish_making(
    request: HttpRequest, user: User, answer: Mapping[str, Any], name: str
) -> Passkey:
    """Store the passkey that the browser has created; raises PasskeyError."""
    state = _take(request, "make")
    try:
        made = _server(request).register_complete(state, answer)
    except (ValueError, TypeError, KeyError) as error:
        raise _not_accepted() from error
    credential = made.credential_data
    assert credential is not None, "register_complete makes sure of it"
    if Passkey.objects.filter(credential_id=credential.credential_id).exists():
        raise PasskeyError(_("That passkey is already in use."))
    return Passkey.objects.create(
        user=user,
        name=name,
        credential_id=credential.credential_id,
        credential=bytes(credential),
        sign_count=made.counter,
        domain=_host(request),
    )


def begin_asking(request: HttpRequest, purpose: str, user: User | None) -> dict[str, Any]:
    """The options for the browser to use a passkey: the user's, or anybody's if None.

    Raises PasskeyError if passkeys are unavailable here, or the user has none for this address.
    """
    _refuse_unavailable(request)
    credentials = None
    if user is not None:
        own = user.passkeys.filter(domain=_host(request))
        credentials = [_credential(passkey) for passkey in own]
        if not credentials:
            raise PasskeyError(_("You have no passkey for this address."))
    options, state = _server(request).authenticate_begin(
        credentials, user_verification=UserVerificationRequirement.REQUIRED
    )
    _keep(request, purpose, state)
    return dict(options)


def finish_asking(
    request: HttpRequest, purpose: str, user: User | None, answer: Mapping[str, Any]
) -> Passkey:
    """The passkey that has responded, of this user if one is given; raises PasskeyError.

    A signature counter that does not increase reveals a cloned passkey; many have no counter and
    always report 0.
    """
    state = _take(request, purpose)
    try:
        response = AuthenticationResponse.from_dict(answer)
        counter = response.response.authenticator_data.counter
        found = Passkey.objects.select_related("user").filter(credential_id=response.raw_id)
        passkey = (found if user is None else found.filter(user=user)).first()
        if passkey is None:
            raise PasskeyError(_("The portal does not know that passkey. Sign in another way."))
        _server(request).authenticate_complete(state, [_credential(passkey)], response)
    except (ValueError, TypeError, KeyError) as error:
        raise _not_accepted() from error
    grows = Q(sign_count__lt=counter) if counter else Q(sign_count=0)
    counted = Passkey.objects.filter(grows, pk=passkey.pk)
    if not counted.update(sign_count=counter, used_at=timezone.now()):
        raise PasskeyError(
            _("That passkey seems to have been copied. Remove it, and tell hospital IT.")
        )
    return passkey


def _server(request: HttpRequest) -> Fido2Server:
    host = _host(request)
    origin = f"{request.scheme}://{request.get_host()}"
    relying_party = PublicKeyCredentialRpEntity(id=host, name="Chestline")
    return Fido2Server(relying_party, verify_origin=lambda named: named == origin)


def _host(request: HttpRequest) -> str:
    host = request.get_host()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _credential(passkey: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(bytes(passkey.credential))


def _refuse_unavailable(request: HttpRequest) -> None:
    if why := why_unavailable(request):
        raise PasskeyError(why)


def _not_accepted() -> PasskeyError:
    return PasskeyError(_("The passkey was not accepted. Try again."))


def _keep(request: HttpRequest, purpose: str, state: Any) -> None:
    kept = dict(request.session.get(SESSION_KEY, {}))
    kept.pop(purpose, None)
    for oldest in list(kept)[: max(0, len(kept) + 1 - MOST_CHALLENGES)]:
        del kept[oldest]
    verification = str(state["user_verification"].value)
    kept[purpose] = {"challenge": state["challenge"], "user_verification": verification}
    kept[purpose]["until"] = time.time() + GOOD_FOR_SECONDS
    request.session[SESSION_KEY] = kept


def _take(request: HttpRequest, purpose: str) -> Any:
    """Return the challenge of a purpose, to one request of several at once. Raises PasskeyError."""
    with transaction.atomic():
        state = _taken_from_row(request.session.session_key, purpose)
    kept = dict(request.session.get(SESSION_KEY, {}))
    kept.pop(purpose, None)
    request.session[SESSION_KEY] = kept
    if state is None or state["until"] < time.time():
        raise PasskeyError(_("That took too long. Try again."))
    return state


def _taken_from_row(session_key: str | None, purpose: str) -> Any:
    """Take the challenge out of the session as it is stored, under the lock of its row."""
    row = Session.objects.select_for_update().filter(pk=session_key).first()
    if row is None:
        return None
    stored = SessionStore(session_key)
    kept = dict(stored.get(SESSION_KEY, {}))
    state = kept.pop(purpose, None)
    if state is not None:
        stored[SESSION_KEY] = kept
        stored.save()
    return state
