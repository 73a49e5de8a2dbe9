"""What the browser gets before it asks for a passkey, and its answer in a form's hidden field."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from webportal.accounts import passkeys
from webportal.accounts.models import User
from webportal.accounts.passkeys import PasskeyError

FIELD = "passkey"


def answer_of(request: HttpRequest) -> dict[str, Any]:
    """What the browser sent (frontend/src/passkeys.ts); raises PasskeyError if it is unreadable."""
    try:
        found = json.loads(request.POST.get(FIELD, ""))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PasskeyError(_("The browser sent no passkey. Try again."))
    return found


def options_for(request: HttpRequest, purpose: str, user: User | None) -> HttpResponse:
    """What the browser needs to ask for a passkey, as JSON; 422 with `detail` where it may not."""
    try:
        return JsonResponse(passkeys.begin_asking(request, purpose, user))
    except PasskeyError as error:
        return JsonResponse({"detail": str(error)}, status=422)
