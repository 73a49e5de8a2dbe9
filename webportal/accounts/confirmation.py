"""Re-authentication before changing how a user signs in.

Signing in counts, as does entering the password again; both are valid for a few minutes.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from webportal.accounts.roles import SignedInRequest

SESSION_KEY = "confirmed_at"
GOOD_FOR_SECONDS = 300
#: By how much the clock of an identity provider may differ, as python3-saml allows.
SKEW_SECONDS = 300

View = Callable[..., HttpResponseBase]


def confirm(session: SessionBase) -> None:
    """Note that the user has just authenticated."""
    session[SESSION_KEY] = time.time()


def withdraw_if_old(session: SessionBase, authenticated_at: float) -> None:
    """Let a sign-in not count that an identity provider answered by one of before.

    `authenticated_at` is when it authenticated the person, in Unix time by its clock. That was not
    just now where it knew the browser, at which there may be somebody else by now.
    """
    if time.time() - authenticated_at > GOOD_FOR_SECONDS + SKEW_SECONDS:
        session.pop(SESSION_KEY, None)


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
