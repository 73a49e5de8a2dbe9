"""The options for the browser's WebAuthn calls, and its response in a hidden form field."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from webportal.accounts import passkeys
from webportal.accounts.models import Passkey, User
from webportal.accounts.passkeys import PasskeyError

FIELD = "passkey"


def answer_of(request: HttpRequest) -> dict[str, Any]:
    """The browser's response (frontend/src/passkeys.ts); raises PasskeyError if unreadable."""
    try:
        found = json.loads(request.POST.get(FIELD, ""))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PasskeyError(_("The browser sent no passkey. Try again."))
    return found


def secret_of(request: HttpRequest, purpose: str, user: User, typed: str) -> Passkey | str:
    """What the user confirms with: the passkey if the browser has sent one, or what was typed.

    Raises PasskeyError if the passkey is none of the user's.
    """
    if not request.POST.get(FIELD):
        return typed
    return passkeys.finish_asking(request, purpose, user, answer_of(request))


def options_for(request: HttpRequest, purpose: str, user: User | None) -> HttpResponse:
    """The options for the browser's WebAuthn call, as JSON; 422 with `detail` if not allowed."""
    try:
        return JsonResponse(passkeys.begin_asking(request, purpose, user))
    except PasskeyError as error:
        return JsonResponse({"detail": str(error)}, status=422)
