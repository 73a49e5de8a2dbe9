"""Audit entries for sign-in, sign-out and failed sign-in."""

from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from webportal.access.shown import sign_in_tried
from webportal.accounts import confirmation, sessions, sign_in
from webportal.accounts.models import User
from webportal.accounts.services import remember_language
from webportal.audit.models import Action
from webportal.audit.trail import Event, append


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Append the sign-in, and store the language chosen before it."""
    if request.session.get("_auth_user_id"):
        sessions.describe(request)
        sessions.forget_ended()
        confirmation.confirm(request.session)
    append(Event(Action.SIGNED_IN, "user", user.pk, detail=sign_in.how(request)), user)
    remember_language(user, request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME))


@receiver(user_logged_out)
def signed_out(user: Any, **kwargs: Any) -> None:
    """Append the sign-out; an expired session has no user to name."""
    if user is not None:
        append(Event(Action.SIGNED_OUT, "user", user.pk), user)


@receiver(user_login_failed)
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Append the failure with the name that was entered.

    People sometimes type a password into the name field, so only a known name is recorded.
    """
    name = str(credentials.get("username", ""))
    known = User.objects.filter(username=name).first()
    tried = known.username if known else "unknown"
    sign_in_tried(request, tried)
    append(Event(Action.SIGN_IN_FAILED, "user", known.pk if known else ""), tried)
