"""Re-authentication: for a single decision, and before changing how a user signs in.

For the latter signing in counts, as does entering the password again; both are valid for a few
minutes.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from webportal.accounts.models import Passkey, User
from webportal.accounts.roles import SignedInRequest
from webportal.accounts.services import AccountError, confirm_password

SESSION_KEY = "confirmed_at"
_UNPROVEN = "provider_proved_nothing"
GOOD_FOR_SECONDS = 300
#: How much the clock of an identity provider may differ from ours, as in python3-saml.
SKEW_SECONDS = 300

View = Callable[..., HttpResponseBase]

logger = logging.getLogger(__name__)


def confirm_identity(user: User, secret: Passkey | str) -> None:
    """Confirm the signed-in person's identity by password, or by a passkey that was just used.

    A passkey is two components at once, the device and its owner's PIN or biometrics, and cannot be
    guessed: it is not throttled. Raises AccountError.
    """
    if not isinstance(secret, Passkey):
        confirm_password(user, secret)
    elif secret.user_id != user.pk:
        raise AccountError(_("That passkey belongs to somebody else."))


def confirm(session: SessionBase) -> None:
    """Note that the user has just authenticated."""
    session[SESSION_KEY] = time.time()


def withdraw_if_old(session: SessionBase, authenticated_at: float, *, was_asked: bool) -> None:
    """Discount a sign-in for which the identity provider relied on an earlier one.

    `authenticated_at` is when it authenticated the person, in Unix time by its clock; 0 if it did
    not state this. If the provider merely recognised the browser, somebody else may be using it by
    now. `was_asked` means that the provider was told to authenticate the person again.
    """
    age = time.time() - authenticated_at
    # A time in the future, or one that is not a number, proves nothing either.
    is_old = not -SKEW_SECONDS <= age <= GOOD_FOR_SECONDS + SKEW_SECONDS
    session[_UNPROVEN] = is_old and was_asked
    if is_old:
        session.pop(SESSION_KEY, None)
    if is_old and was_asked:
        logger.warning(
            "The identity provider was told to authenticate somebody again, and did not confirm"
            " that it did: they cannot change their second factor (see docs/sign-in.md)"
        )


def is_unproven(session: SessionBase) -> bool:
    """Whether the provider was told to authenticate the user again and did not confirm it."""
    return bool(session.get(_UNPROVEN, False))


def is_confirmed(session: SessionBase) -> bool:
    """Whether the user has authenticated within the last few minutes."""
    return bool(time.time() - session.get(SESSION_KEY, 0.0) < GOOD_FOR_SECONDS)


def confirmed(view: View) -> View:
    """Redirect to the page that asks for the password, and back to the second factor's page."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_confirmed(request.session):
            return redirect(reverse("accounts:confirm"))
        return view(request, *args, **kwargs)

    return guarded
